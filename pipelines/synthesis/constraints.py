"""`factory build constraints`: checkable conditions are put to prompts, with the arguments that their checker needs.

As the data of RLVR for instruction following is made (Tülu 3, arXiv 2411.15124; Pyatkin et al. 2025, arXiv
2507.02833; Olmo 3). No model is asked. The constraints of IFBench are held out: none of them is ever drawn.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from judges.base import JudgeError
from judges.registry import make_verifier
from pipelines.recipe import BuildRecipe, JudgeTable, ModelTable
from pipelines.rows import RowResult, StageTally, rejection
from pipelines.synthesis.arguments import Kwargs, Wanted, plain_words
from pipelines.synthesis.attachable import IF_TRAIN_ATTACHABLE, IFEVAL_ATTACHABLE, Attachable
from pipelines.synthesis.choice import Choice
from pipelines.synthesis.conflicts import ALONE, can_stand_together
from pipelines.synthesis.lineage import KEY, from_seed
from pipelines.tools import Tools
from schemas.canonical import canonical_json, prompt_id
from schemas.metadata import with_metadata
from schemas.records import Message, Prompt, Rejection

METHOD = "constraints"
STAGE = "attach"
Family = Literal["ifeval", "if_train"]
ATTACHABLE: dict[Family, dict[str, Attachable]] = {"ifeval": IFEVAL_ATTACHABLE, "if_train": IF_TRAIN_ATTACHABLE}


class ConstraintsRecipe(BuildRecipe):
    """1 to 5 constraints of the 54 that open-instruct trains on, all numbers equally likely."""

    kind: Literal["constraints"] = "constraints"
    data: str = Field(min_length=1)
    policy: list[ModelTable] = Field(default=[], max_length=0)
    judge: list[JudgeTable] = Field(default=[], max_length=0)
    verifier: str | None = Field(default=None, max_length=0)  # `family` names it
    family: Family = "if_train"
    at_least: int = Field(default=1, ge=1)
    at_most: int = Field(default=5, ge=1, le=8)
    only: tuple[str, ...] = ()  # ids; (): all of the family
    never: tuple[str, ...] = ()
    variants: int = Field(default=1, ge=1, le=64)  # of each prompt, with constraints of their own

    @field_validator("only", "never")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in IF_TRAIN_ATTACHABLE]:
            raise ValueError(f"there is no constraint {unknown[0]!r}; known: {', '.join(IF_TRAIN_ATTACHABLE)}")
        return names

    @model_validator(mode="after")
    def _something_to_draw(self) -> ConstraintsRecipe:
        if self.at_most < self.at_least:
            raise ValueError(f"at_least = {self.at_least} is over at_most = {self.at_most}")
        if not self.names:
            raise ValueError(f"`only` and `never` leave no constraint of family {self.family!r}")
        return self

    @property
    def names(self) -> list[str]:
        """The constraints that may be drawn."""
        wanted = self.only or ATTACHABLE[self.family]
        return [name for name in ATTACHABLE[self.family] if name in wanted and name not in self.never]


async def constraints_row(recipe: ConstraintsRecipe, tools: Tools, prompt: Prompt) -> RowResult:
    rows: dict[str, Prompt] = {}
    rejections: list[Rejection] = []
    for variant in range(recipe.variants):
        found = attach(recipe, prompt, variant)
        if isinstance(found, Rejection):
            rejections.append(found)
        elif found.prompt_id in rows:
            reason = f"variant {variant} is another variant again"
            rejections.append(rejection(prompt.prompt_id, STAGE, "duplicate", reason))
        else:
            rows[found.prompt_id] = found
    stage = StageTally(STAGE, recipe.variants, len(rows))
    return RowResult(rows=list(rows.values()), rejections=rejections, stages=[stage])


def attach(recipe: ConstraintsRecipe, prompt: Prompt, variant: int = 0) -> Prompt | Rejection:
    """The prompt with constraints behind its last turn, or why none fits."""
    chance = Choice(recipe.seed, METHOD, prompt.prompt_id, variant)
    count = chance.between(recipe.at_least, recipe.at_most)
    words = plain_words()
    drawn = _draw(recipe, Wanted(chance, prompt.prompt[-1].content, chance.some(words, len(words))), count)
    if len(drawn) < recipe.at_least:
        reason = f"{len(drawn)} constraints that can stand together fit the prompt, at_least is {recipe.at_least}"
        return rejection(prompt.prompt_id, STAGE, "too_few", reason, row=prompt)
    made = _constrained(recipe, prompt, drawn)
    try:
        make_verifier(recipe.family).verify(made, "")
    except JudgeError as err:
        return rejection(prompt.prompt_id, STAGE, err.kind, err.reason, outcome="failed", row=made)
    return made


def _draw(recipe: ConstraintsRecipe, wanted: Wanted, count: int) -> dict[str, Kwargs]:
    """Up to `count` constraints with their arguments, tried in an order by chance.

    Where several are wanted, those that stand alone come last: one of them first would leave no room for others.
    """
    drawn: dict[str, Kwargs] = {}
    order = wanted.chance.some(recipe.names, len(recipe.names))
    for name in sorted(order, key=lambda name: count > 1 and name in ALONE):
        if len(drawn) == count:
            break
        if all(can_stand_together(name, other) for other in drawn):
            kwargs = ATTACHABLE[recipe.family][name].draws(wanted)
            if kwargs is not None:
                drawn[name] = kwargs
    return drawn


def _constrained(recipe: ConstraintsRecipe, prompt: Prompt, drawn: dict[str, Kwargs]) -> Prompt:
    table = ATTACHABLE[recipe.family]
    said = " ".join(table[name].sentence(kwargs) for name, kwargs in drawn.items())
    last = prompt.prompt[-1]
    messages = [*prompt.prompt[:-1], Message(last.role, f"{last.content}\n\n{said}", last.reasoning)]
    truth = {"instruction_id_list": list(drawn), "kwargs": list(drawn.values())}
    before = {"ground_truth": prompt.ground_truth, "verifier": prompt.verifier}
    lineage = {"method": METHOD, **from_seed(prompt), **before, "constraints": said}
    return Prompt(
        prompt_id=prompt_id(messages),
        prompt=messages,
        ground_truth=canonical_json(truth).decode(),
        verifier=recipe.family,
        source=prompt.source,
        source_id=prompt.source_id,
        licence=prompt.licence,
        metadata=with_metadata(prompt, {KEY: lineage}),
    )
