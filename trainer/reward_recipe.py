"""The tables of a recipe that say what a rollout is paid, and by whom."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from judges.rewards import ROW_VERIFIER
from schemas.recipes import GrownRecipe, Table


class JudgeModelTable(Table):
    """A model that a judge asks: an endpoint's URL, or `litellm:PROVIDER/MODEL`.

    `called`: what the judge's options call it. `name`: the model's at the endpoint; None: the only one there.
    """

    model: str
    called: str = "judge"
    name: str | None = None
    revision: str | None = None  # what makes its answers these answers
    api_base: str | None = None  # litellm's, where it is not the provider's own
    api_key_env: str | None = None  # the variable's name, never the key
    chat_template_kwargs: dict[str, Any] = Field(default={})


class RewardJudgeTable(Table):
    """An LLM judge: a name of `judges.llm.registry` (None: as the table is called), its options and its models."""

    judge: str | None = None
    options: dict[str, Any] = Field(default={})
    model: list[JudgeModelTable] = Field(default=[])


class RewardTable(GrownRecipe):
    """Judges' scores to a reward: see `judges.rewards`. `verifier` is the one that each prompt names.

    `control` = "random" pays by the toss of a coin instead: what still gets better was not learnt from the reward.
    """

    added: ClassVar[frozenset[str]] = frozenset({"judges"})

    parts: tuple[dict[str, Any], ...] = ({"judge": "verifier", "threshold": 1.0},)
    gate: dict[str, Any] | None = None
    penalties: dict[str, Any] = Field(default={})
    verifiers: dict[str, dict[str, Any]] = Field(default={})  # by name: `name` of the verifier and its options
    judges: dict[str, RewardJudgeTable] = Field(default={})  # LLM judges, by name
    no_end: float | None = None  # the whole reward of a rollout that did not come to its end
    control: Literal["random"] | None = None

    @model_validator(mode="after")
    def _told_apart(self) -> RewardTable:
        if twice := sorted(self.verifiers.keys() & self.judges.keys()):
            raise ValueError(f"reward.verifiers and reward.judges both have {twice[0]!r}; call one of them otherwise")
        for table in ("verifiers", "judges"):
            if ROW_VERIFIER in getattr(self, table):
                raise ValueError(f"reward.{table}.{ROW_VERIFIER}: {ROW_VERIFIER!r} is the one that each prompt names")
        return self


class JudgePriceTable(Table):
    """US dollars a million tokens."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)


class JudgeRunTable(Table):
    """How judges' models are asked. `prices`: by the model's name as its endpoint knows it."""

    max_in_flight: int = Field(default=64, ge=1, le=8192)  # at one endpoint
    row_deadline_s: float = Field(default=600, gt=0)  # from a question's first try until it is given up
    connect_timeout_s: float = Field(default=10, gt=0)
    answer_timeout_s: float = Field(default=600, gt=0)  # of one try
    prices: dict[str, JudgePriceTable] = Field(default={})
