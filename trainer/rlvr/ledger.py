"""The pass-rate ledger: how often the policy solved each prompt, in the data before the run and in the run itself.

What is drawn, how often, what is retired and what is written back as a dataset version all read the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from trainer.rlvr.rollouts import Group
from trainer.rlvr.tasks import Task

FADE = 0.5  # what a group's answers still say of the prompt when the next one is drawn


class Entry(msgspec.Struct, kw_only=True):
    """Answers with a verdict, those that were correct and those without a verdict, since the run began.

    `latest_...`: the same of the last group that had a verdict; `version`: the weights that it was drawn with.
    `known_...`: the same of all groups, each later one halving what was known: the policy has moved on since.
    """

    groups: int = 0
    graded: int = 0
    correct: int = 0
    abstained: int = 0
    latest_graded: int = 0
    latest_correct: int = 0
    latest_abstained: int = 0
    version: int = 0
    known_graded: float = 0.0
    known_correct: float = 0.0

    @property
    def latest(self) -> float | None:
        """The pass rate of the last group."""
        return self.latest_correct / self.latest_graded if self.latest_graded else None


class Ledger:
    """One entry a prompt that was drawn at least once."""

    def __init__(self, entries: dict[str, Entry] | None = None) -> None:
        self.entries: dict[str, Entry] = entries or {}

    def add(self, group: Group) -> None:
        verdicts = [rollout.correct for rollout in group.rollouts]
        correct, abstained = verdicts.count(True), verdicts.count(None)
        graded = len(verdicts) - abstained
        entry = self.entries.setdefault(group.prompt.prompt_id, Entry())
        entry.groups += 1
        entry.graded += graded
        entry.correct += correct
        entry.abstained += abstained
        entry.known_graded = graded + FADE * entry.known_graded
        entry.known_correct = correct + FADE * entry.known_correct
        if graded:
            entry.latest_graded, entry.latest_correct, entry.latest_abstained = graded, correct, abstained
            entry.version = group.version

    def known(self, task: Task) -> tuple[float, float]:
        """Correct answers and answers with a verdict, the data's own among them; what is older counts less."""
        entry = self.entries.get(task.prompt.prompt_id, Entry())
        old = FADE**entry.groups
        return entry.known_correct + old * task.n_correct, entry.known_graded + old * task.n_graded

    def is_retired(self, task: Task, above: float | None) -> bool:
        """Whether the policy solved it too often, the last time that it was asked."""
        entry = self.entries.get(task.prompt.prompt_id)
        if above is None or entry is None or entry.latest is None:
            return False
        return entry.latest > above

    def n_retired(self, tasks: Iterable[Task], above: float | None) -> int:
        return sum(self.is_retired(task, above) for task in tasks)
