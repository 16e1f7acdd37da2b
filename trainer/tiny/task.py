"""What the tiny model is taught: the one place that names the reasoning-gym families and their levels."""

from __future__ import annotations

from typing import Any

import msgspec

TRAIN_SEED = 1_000_000_000  # reasoning-gym makes entry i from seed + i: far from any seed that a person types
HELD_OUT_SEED = 2_000_000_000
SEED_STRIDE = 10_000_000  # more entries than one run trains on
SEEDS = 100  # of runs: TRAIN_SEED + SEEDS * SEED_STRIDE is still below HELD_OUT_SEED


class Task(msgspec.Struct, frozen=True):
    """A reasoning-gym family at the levels that the tiny model half learns in a minute."""

    family: str
    config: dict[str, int]


class Example(msgspec.Struct, frozen=True):
    """A question as `factory build prompts` words it, its answer as the model is taught to give it, and the entry."""

    question: str
    taught: str
    entry: dict[str, Any]


TASKS: dict[str, Task] = {
    "chain_sum": Task("chain_sum", {"min_terms": 2, "max_terms": 3, "min_digits": 1, "max_digits": 1}),
}


def make_examples(task: Task, seed: int, size: int) -> list[Example]:
    """`size` examples. The same seed gives the same ones."""
    import reasoning_gym

    entries = reasoning_gym.create_dataset(task.family, seed=seed, size=size, **task.config)
    return [Example(entry["question"], _worked(entry), entry) for entry in entries]


def training_examples(task: Task, seed: int, size: int, start: int = 0) -> list[Example]:
    return make_examples(task, TRAIN_SEED + seed * SEED_STRIDE + start, size)


def held_out_examples(task: Task, seed: int, size: int) -> list[Example]:
    return make_examples(task, HELD_OUT_SEED + seed * SEED_STRIDE, size)


def _worked(entry: dict[str, Any]) -> str:
    """One line for each step where a sum has more than one, and the bare answer on the last."""
    terms = str(entry["metadata"]["expression"]).split()
    total, lines = int(terms[0]), []
    for sign, term in zip(terms[1::2], terms[2::2], strict=True):
        step = total + int(term) if sign == "+" else total - int(term)
        lines.append(f"{total} {sign} {term} = {step}")
        total = step
    return "\n".join([*lines, str(total)]) if len(lines) > 1 else str(total)
