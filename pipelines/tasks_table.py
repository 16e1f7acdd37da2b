"""The table `[reasoning_gym]` of a recipe of prompts: one family of generated tasks, or several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from schemas.recipes import GrownRecipe, Table

FAMILY = "reasoning-gym:"  # a source of one family
FAMILIES = "reasoning-gym"  # of those that the table names
_NOT_OF_THE_FAMILY = {"seed": "in [reasoning_gym]", "size": "beside config, or in [reasoning_gym] for all tasks"}


class TaskTable(Table):
    """One family of several at one level. `size`: its prompts, where they are not as many as of the other tasks."""

    family: str = Field(min_length=1)
    level: int | str | None = None  # any label: tells tasks of one family apart, and stands in the prompts' metadata
    config: dict[str, Any] = Field(default_factory=dict)
    size: int | None = Field(default=None, ge=1)

    @field_validator("config")
    @classmethod
    def _of_the_family(cls, config: dict[str, Any]) -> dict[str, Any]:
        for key, place in _NOT_OF_THE_FAMILY.items():
            if key in config:
                raise ValueError(f"{key} stands {place}; take it out of config")
        return config

    @property
    def name(self) -> str:
        return self.family if self.level is None else f"{self.family} level {self.level}"


class GeneratedTable(GrownRecipe):
    """One family's own settings, or a `task` table for each of several; how many prompts; the seed that fixes them.

    `size` counts entries of one family, and of several the different prompts of each task. `same_seed`: all tasks draw
    from the seed itself, as a source of that family alone would.
    """

    added: ClassVar[frozenset[str]] = frozenset({"task", "same_seed"})

    config: dict[str, Any] = Field(default_factory=dict)
    size: int = Field(default=1000, ge=1)
    seed: int = Field(default=0, ge=0)
    task: list[TaskTable] = Field(default=[])
    same_seed: bool = False

    @model_validator(mode="after")
    def _no_task_twice(self) -> GeneratedTable:
        names = [task.name for task in self.task]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise ValueError(f"task: {name} is there twice; give each task of a family a level of its own")
        return self

    def problems(self, source: str) -> Iterator[str]:
        """What does not fit this source of generated tasks."""
        several = source == FAMILIES
        if several and not self.task:
            yield f"reasoning_gym.task is missing: give a [[reasoning_gym.task]] for each family, or {FAMILY}FAMILY"
        if several and self.config:
            yield "reasoning_gym.config is for one family; each [[reasoning_gym.task]] has a config of its own"
        if not several and self.task:
            yield f'reasoning_gym.task is for source = "{FAMILIES}"; {source} is one family'
        if not several and self.same_seed:
            yield "reasoning_gym.same_seed is for several tasks; remove it"
