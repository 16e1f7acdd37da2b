"""What a recipe draws from reasoning-gym: its tasks, the seeds they begin at, and their entries by number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.metadata import version
from typing import Any

import msgspec

from judges.reasoning_gym import Family, family_names, make_family
from pipelines.prompts_recipe import PromptsRecipe
from pipelines.tasks_table import FAMILIES, FAMILY, GeneratedTable
from schemas.canonical import canonical_json, sha256_hex
from schemas.errors import DataError
from schemas.manifest import InputRef

PACKAGE = "reasoning-gym"
STRIDE = 10_000_000  # seeds between two tasks of one family
_MORE = 1000  # entries that are opened at a time beyond a task's size


class DrawnTask(msgspec.Struct, frozen=True, kw_only=True):
    """A family with its settings; entry i comes from `seed` + i. `named`, `key`: what to tell a person who erred."""

    family: str
    config: dict[str, Any]
    size: int
    seed: int
    level: int | str | None = None
    named: str
    key: str

    @property
    def source(self) -> str:
        return FAMILY + self.family

    def input(self) -> InputRef:
        """What its prompts follow from: the family, its settings and the package's version."""
        parts = [self.family, self.config, self.size, self.seed, version(PACKAGE)]
        label = self.source if self.level is None else f"{self.source} level {self.level}"
        return InputRef(name=f"{label} ({PACKAGE} {parts[-1]})", sha256=sha256_hex(canonical_json(parts)))


def tasks_of(recipe: PromptsRecipe) -> list[DrawnTask]:
    """The recipe's one family, or its tasks in their order."""
    if recipe.source == FAMILIES:
        return list(_several(recipe.reasoning_gym))
    table = recipe.reasoning_gym
    return [
        DrawnTask(
            family=recipe.source.removeprefix(FAMILY),
            config=table.config,
            size=table.size,
            seed=table.seed,
            named=recipe.source,
            key="reasoning_gym.config",
        )
    ]


def _several(table: GeneratedTable) -> Iterator[DrawnTask]:
    """Those of one family begin `STRIDE` apart, so that what is added behind them moves none."""
    before: Counter[str] = Counter()
    for number, task in enumerate(table.task):
        yield DrawnTask(
            family=task.family,
            config=task.config,
            size=task.size or table.size,
            seed=table.seed + (0 if table.same_seed else before[task.family] * STRIDE),
            level=task.level,
            named=f"reasoning_gym.task.{number} ({task.name})",
            key=f"reasoning_gym.task.{number}.config",
        )
        before[task.family] += 1


class Entries:
    """The entries of a task, without end. The first `size` are those of the family as reasoning-gym makes it.

    Some families know no entry beyond their size, so later ones are of the same family made anew from a later seed.
    """

    def __init__(self, task: DrawnTask) -> None:
        """Raises DataError for a family that is not there, or settings that it does not take."""
        self._task = task
        self._start, self._stop = 0, task.size
        self._family = _open(task, 0, task.size)

    def at(self, index: int) -> dict[str, Any]:
        """`index` never falls."""
        while index >= self._stop:
            self._start, self._stop = self._stop, self._stop + _MORE
            self._family = _open(self._task, self._start, _MORE)
        return self._family[index - self._start]


def _open(task: DrawnTask, start: int, size: int) -> Family:
    known = family_names()
    if task.family not in known:
        nearest = get_close_matches(task.family, known, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(map(repr, nearest))}?" if nearest else f"known: {', '.join(known)}"
        raise DataError(f"{task.named}: reasoning-gym has no family {task.family!r}; {hint}")
    try:
        return make_family(task.family, {**task.config, "size": size, "seed": task.seed + start})
    except (TypeError, ValueError, AssertionError, AttributeError) as err:
        problem = str(err) or type(err).__name__
        raise DataError(f"{task.named}: its settings are refused: {problem}; correct {task.key}") from err
