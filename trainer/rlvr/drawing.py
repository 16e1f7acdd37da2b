"""Which prompt is drawn next: the tasks in their order, over and over, without those that are retired.

With a curriculum a coin passes over some, by what is known of them at that moment. The order itself stays: no prompt is
drawn twice in an epoch.
"""

from __future__ import annotations

import msgspec

from factory.sampling.request import SEED_BITS, derive_seed
from trainer.rlvr.curriculum import draw_chance
from trainer.rlvr.ledger import Ledger
from trainer.rlvr.tasks import Task, Tasks


class Draw(msgspec.Struct, frozen=True):
    """The `number`-th draw of a run took the task at this position of the order."""

    number: int
    position: int


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What may be drawn. `n`: answers to each prompt; `seed`: of the coins."""

    retire_above: float | None = None
    curriculum: bool = False
    n: int = 1
    seed: int = 0

    def passes_over(self, task: Task, ledger: Ledger, position: int) -> bool:
        if not self.curriculum:
            return False
        coin: float = derive_seed(self.seed, f"curriculum/{position}") / 2**SEED_BITS
        return coin >= draw_chance(*ledger.known(task), self.n)


class Drawing(msgspec.Struct):
    """Where the draws stand. All of it is saved with a checkpoint."""

    number: int = 0
    position: int = 0

    @property
    def passed_over(self) -> int:
        return self.position - self.number

    def next(self, tasks: Tasks, ledger: Ledger, rule: Rule) -> Draw | None:
        """The next draw; None when every task is retired."""
        passed_over = None
        for _ in range(2 * tasks.epoch):  # from anywhere in one epoch to the end of the next: each task at least once
            position, self.position = self.position, self.position + 1
            task = tasks.at(position)
            if ledger.is_retired(task, rule.retire_above):
                continue
            if not rule.passes_over(task, ledger, position):
                return self._drawn(position)
            passed_over = position
        return None if passed_over is None else self._drawn(passed_over)  # every coin said no

    def _drawn(self, position: int) -> Draw:
        draw = Draw(self.number, position)
        self.number += 1
        return draw


def seed_of(draw: Draw, task: Task, seed: int) -> int:
    """Of all answers to it: another one each time that a prompt is drawn."""
    return derive_seed(seed, f"{task.prompt.prompt_id}/{draw.number}")
