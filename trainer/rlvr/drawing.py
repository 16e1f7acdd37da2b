"""Which prompt is drawn next: the tasks in their order, over and over, without those that are retired."""

from __future__ import annotations

import msgspec

from factory.sampling.request import derive_seed
from trainer.rlvr.ledger import Ledger
from trainer.rlvr.tasks import Task, Tasks


class Draw(msgspec.Struct, frozen=True):
    """The `number`-th draw of a run took the task at this position of the order."""

    number: int
    position: int


class Drawing(msgspec.Struct):
    """Where the draws stand. All of it is saved with a checkpoint."""

    number: int = 0
    position: int = 0

    def next(self, tasks: Tasks, ledger: Ledger, retire_above: float | None) -> Draw | None:
        """The next draw; None when every task is retired."""
        for _ in range(2 * tasks.epoch):  # from anywhere in one epoch to the end of the next: each task at least once
            position, self.position = self.position, self.position + 1
            if not ledger.is_retired(tasks.at(position), retire_above):
                draw = Draw(self.number, position)
                self.number += 1
                return draw
        return None


def seed_of(draw: Draw, task: Task, seed: int) -> int:
    """Of all answers to it: another one each time that a prompt is drawn."""
    return derive_seed(seed, f"{task.prompt.prompt_id}/{draw.number}")
