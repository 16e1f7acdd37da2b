"""The prompts that a run draws from, with the pass rates that their rows state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from schemas.records import PassRate, Prompt
from trainer.data.mixture import Mixture
from trainer.data.sources import Source, check_shard
from trainer.errors import TrainError
from trainer.evaluate.prompts import to_prompt
from trainer.rlvr_recipe import SignalTable

KINDS = (Prompt, PassRate)


class Task(msgspec.Struct, frozen=True):
    """A prompt with its verifier; of `n_graded` answers that somebody drew before, `n_correct` were correct."""

    prompt: Prompt
    n_graded: int = 0
    n_correct: int = 0

    @property
    def pass_rate(self) -> float | None:
        return self.n_correct / self.n_graded if self.n_graded else None


class Tasks:
    """All tasks of a run, and the order in which they are drawn: shuffled anew in each epoch, computed, not stored."""

    def __init__(self, versions: Sequence[Sequence[Task]], weights: Sequence[float], seed: int) -> None:
        self._versions = list(versions)
        self._mixture = Mixture([len(tasks) for tasks in versions], weights, seed)

    @property
    def epoch(self) -> int:
        """How many tasks are drawn in one."""
        return self._mixture.epoch_rows

    def at(self, position: int) -> Task:
        """The task at a position of the order, counted over all epochs."""
        [(version, row)] = self._mixture.rows(position, position + 1)
        return self._versions[version][row]

    def all(self) -> list[Task]:
        """Each prompt once, in the order of the data."""
        found = {task.prompt.prompt_id: task for tasks in self._versions for task in tasks}
        return list(found.values())


class Listed:
    """Tasks as they lie: drawn from once each, always in the same order."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = list(tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def at(self, position: int) -> Task:
        return self._tasks[position]


def read_tasks(
    sources: Sequence[Source], signal: SignalTable, needs_verifier: bool
) -> tuple[list[list[Task]], Counter[str]]:
    """The tasks of each version that may be drawn, and why the others may not, counted.

    Raises:
        CorruptError: bytes that are not those of the manifest.
        TrainError: a bound on pass rates for data that states none, or no task is left.
    """
    left_out: Counter[str] = Counter()
    versions = []
    for source in sources:
        _check_bounds(source, signal)
        for shard in source.version.manifest.shards:
            check_shard(source.version.folder, shard)
        kept = []
        for record in source.version.records():
            task = _task(record)
            why = _why_not(task, signal, needs_verifier)
            if why is None:
                kept.append(task)
            else:
                left_out[why] += 1
        if not kept:
            counted = ", ".join(f"{count} {why}" for why, count in left_out.most_common())
            raise TrainError(
                f"{source.name}: no prompt is left to draw ({counted}); widen [signal], or give other --data"
            )
        versions.append(kept)
    return versions, left_out


def _task(record: object) -> Task:
    assert isinstance(record, KINDS)
    prompt = to_prompt(record)
    return Task(prompt, record.n_samples, record.n_correct) if isinstance(record, PassRate) else Task(prompt)


def _check_bounds(source: Source, signal: SignalTable) -> None:
    bounded = [name for name in ("min_pass_rate", "max_pass_rate") if getattr(signal, name) is not None]
    if bounded and source.version.record is not PassRate:
        raise TrainError(
            f"{source.name}: signal.{bounded[0]} needs pass rates, and this version has none; "
            f"build them (factory build pass-rate --data {source.name} --policy CKPT), or leave the bound out"
        )


def _why_not(task: Task, signal: SignalTable, needs_verifier: bool) -> str | None:
    rate = task.pass_rate
    if needs_verifier and task.prompt.verifier is None:
        return "without a verifier"
    if rate is not None and signal.min_pass_rate is not None and rate < signal.min_pass_rate:
        return "too hard"
    if rate is not None and signal.max_pass_rate is not None and rate > signal.max_pass_rate:
        return "too easy"
    return None
