"""What every recipe that asks models has in common. Recipes are TOML; unknown keys are refused."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from factory.sampling.types import Capability, SamplingParams
from pipelines.decontaminate.recipe import DecontaminateTable
from pipelines.dedupe_recipe import DedupeTable
from pipelines.filters.registry import Filters
from pipelines.terms.use import UseTable
from schemas.recipes import GrownRecipe
from schemas.recipes import Table as Table
from schemas.records import Record


class PriceTableRow(Table):
    """US dollars a million tokens."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)


class RunTable(Table):
    """How to run, not what to make: nothing here changes a row, so a build goes on when it changes."""

    max_in_flight: int | None = Field(default=None, ge=1, le=8192)  # None: what suits the engine
    row_deadline_s: float = Field(default=3600, gt=0)  # from a request's first try to its dead letter
    connect_timeout_s: float = Field(default=10, gt=0)
    idle_timeout_s: float = Field(default=900, gt=0)  # no byte for so long; answers come whole, not streamed
    answer_timeout_s: float = Field(default=1800, gt=0)  # one try, from the first byte sent to the last one read
    max_answer_bytes: int = Field(default=64 * 2**20, gt=0)
    window_rows: int = Field(default=8192, ge=1)
    window_bytes: int = Field(default=256 * 2**20, gt=0)
    max_failed_share: float = Field(default=0.1, ge=0, le=1)
    min_rows_to_judge: int = Field(default=200, ge=1)
    drain_s: float = Field(default=30, ge=0)
    replicas: int = Field(default=1, ge=1)  # vLLM servers for a checkpoint
    max_cost: float | None = Field(default=None, gt=0)
    prices: dict[str, PriceTableRow] = Field(default={})


class SamplingTable(Table):
    """How to draw.

    `logprobs` and `token_ids`: true needs them, false leaves them out, "auto" takes them where an engine gives both.
    """

    temperature: float = Field(default=1.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=1)
    max_tokens: int = Field(default=1024, ge=1)
    stop: tuple[str, ...] = ()
    logprobs: bool | Literal["auto"] = "auto"
    token_ids: bool | Literal["auto"] = "auto"
    chat_template_kwargs: dict[str, Any] = Field(default={})

    def params(self, capabilities: frozenset[Capability]) -> SamplingParams:
        """The sampling of an engine that can do `capabilities`."""
        exact = {"logprobs", "token_ids"} <= capabilities  # one without the other trains nothing
        return SamplingParams(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            max_tokens=self.max_tokens,
            stop=self.stop,
            logprobs=exact if self.logprobs == "auto" else self.logprobs,
            token_ids=exact if self.token_ids == "auto" else self.token_ids,
            chat_template_kwargs=self.chat_template_kwargs,
        )


class ModelTable(Table):
    """A model to draw from.

    `model` is a checkpoint folder, an endpoint's URL, `replay:RECORDING` or `solver:reasoning-gym`.
    """

    model: str
    name: str | None = None  # the model's name at the endpoint
    engine: Literal["openai", "vllm", "transformers", "litellm", "replay", "solver"] | None = None
    revision: str | None = None  # for endpoints: what makes their answers these answers
    api_base: str | None = None  # litellm's, where it is not the provider's own
    api_key_env: str | None = None  # the variable's name, never the key
    max_model_len: int | None = Field(default=None, ge=1)
    dtype: str | None = None


class JudgeModelTable(ModelTable):
    """A model that a judge asks. `called` is what the judge's options call it."""

    called: str = "judge"
    chat_template_kwargs: dict[str, Any] = Field(default={})  # enable_thinking = false, to read single tokens


class JudgeTable(Table):
    """A judge: a name of `judges.llm.registry` with its options and, where it asks models, those."""

    judge: str
    label: str | None = None  # the name on its judgements, where one judge is used in several ways
    options: dict[str, Any] = Field(default={})
    model: list[JudgeModelTable] = Field(default=[])

    @property
    def name(self) -> str:
        return self.label or self.judge


class BuildRecipe(GrownRecipe):
    """The part of a recipe that every kind shares which asks models or judges."""

    added: ClassVar[frozenset[str]] = frozenset({"dedupe", "decontaminate"})

    data: str
    policy: list[ModelTable] = Field(default=[])
    pool: list[ModelTable] = Field(default=[], max_length=0)  # of kinds that ask some of a pool for each prompt
    judge: list[JudgeTable] = Field(default=[])
    seed: int = 0
    limit: int | None = Field(default=None, ge=1)  # rows of the input
    verifier: str | None = None  # instead of the one that each prompt names
    sampling: SamplingTable = SamplingTable()
    filter: Filters = Field(default=[])  # of the rows that are made
    dedupe: DedupeTable | None = None  # of all rows that are made, together
    decontaminate: DecontaminateTable | None = None  # then
    use: UseTable = UseTable()  # what the rows are for
    run: RunTable = RunTable()

    @field_validator("judge")
    @classmethod
    def _told_apart(cls, judges: list[JudgeTable]) -> list[JudgeTable]:
        for name, count in Counter(judge.name for judge in judges).items():
            if count > 1:
                raise ValueError(f"{count} judges are called {name!r}; give each its own label")
        return judges

    @property
    def rows_to_make(self) -> int:
        """Of kinds that read nothing."""
        raise TypeError(f"{type(self).__name__} reads `data`")

    @property
    def from_pool(self) -> int:
        """How many models of the pool are asked about a prompt."""
        return 0

    def pool_turns(self, order: list[int]) -> list[int]:
        """The places of those that are asked, of all in the order of their turns for a prompt."""
        return order[: self.from_pool]

    def policies_for(self, prompt_id: str) -> list[int] | None:
        """The places of the policies that answer a prompt. None: all of them."""
        return None

    @property
    def probe_rows(self) -> int:
        """How many rows of the input are looked at before the build, where the kind has something to find out."""
        return 0

    @property
    def needs(self) -> frozenset[Capability]:
        """What the engines of policies and pool must be able to do beside what `sampling` asks of them."""
        return frozenset()

    def sampling_params(self, capabilities: frozenset[Capability]) -> SamplingParams:
        """How a policy or a model of the pool is drawn from whose engine can do `capabilities`."""
        return self.sampling.params(capabilities)

    def judged_groups(self, rows: int) -> int:
        """How many groups judges are asked about, of a build of so many rows of its input."""
        return rows

    def refusal(self, data: type[Record]) -> str | None:
        """Why this recipe cannot work on `data` of that record, where not every recipe of its kind can."""
        return None


class ModelRecipe(BuildRecipe):
    """The part of a recipe that every kind shares which asks models about prompts."""

    data: str = Field(min_length=1)
    policy: list[ModelTable] = Field(min_length=1)
    n: int = Field(default=1, ge=1, le=4096)
    system_prompt: str | None = None
