"""The recipe of `factory build prompts`: where prompts come from and which of them to keep."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from judges.registry import make_verifier
from pipelines.decontaminate.recipe import DecontaminateTable
from pipelines.filters.registry import Filters
from pipelines.tasks_table import FAMILIES, FAMILY, GeneratedTable
from pipelines.terms.use import UseTable
from schemas.recipes import GrownRecipe

HUGGING_FACE = "hf:"


class PromptsRecipe(GrownRecipe):
    """`source` is FILE.jsonl, FILE.parquet, hf:ORG/NAME[@REVISION][:CONFIG][:SPLIT], reasoning-gym:FAMILY, or
    reasoning-gym for the families of its table."""

    added: ClassVar[frozenset[str]] = frozenset({"filter", "decontaminate"})

    kind: Literal["prompts"] = "prompts"
    source: str = Field(min_length=1)
    prompt_column: str = "prompt"
    ground_truth_column: str | None = None
    id_column: str | None = None
    licence_column: str | None = None
    metadata_columns: tuple[str, ...] = ()
    verifier: str | None = None
    licence: str = "unknown"
    system_prompt: str | None = None
    near_duplicates: float | None = Field(default=None, gt=0, lt=1)  # Jaccard similarity; None: only equal prompts
    limit: int | None = Field(default=None, ge=1)  # rows read from the source
    max_prompt_bytes: int = Field(default=1_000_000, ge=1)
    reasoning_gym: GeneratedTable = GeneratedTable()
    use: UseTable = UseTable()  # what the prompts are for
    filter: Filters = Field(default=[])  # of the prompts that are new
    decontaminate: DecontaminateTable | None = None  # then

    @field_validator("verifier")
    @classmethod
    def _exists(cls, name: str | None) -> str | None:
        if name is not None:
            make_verifier(name)
        return name

    @model_validator(mode="after")
    def _generated_only_for_families(self) -> PromptsRecipe:
        if self.is_generated:
            if problem := next(self.reasoning_gym.problems(self.source), None):
                raise ValueError(problem)
        elif "reasoning_gym" in self.model_fields_set:
            raise ValueError(f"the table reasoning_gym is for a source {FAMILY}FAMILY or {FAMILIES}; remove it")
        return self

    @property
    def is_generated(self) -> bool:
        return self.source == FAMILIES or self.source.startswith(FAMILY)

    def columns(self) -> list[str]:
        """The columns of the source that are read."""
        named = [self.prompt_column, self.ground_truth_column, self.id_column, self.licence_column]
        return [*dict.fromkeys([name for name in named if name is not None] + list(self.metadata_columns))]
