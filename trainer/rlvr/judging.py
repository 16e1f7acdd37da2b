"""The LLM judges of a recipe: checked before the run, bound to their models, and counted as they judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import msgspec

from factory.sampling.errors import RunError
from factory.sampling.request import derive_seed
from factory.sampling.types import Sampler
from judges.base import Group, JudgeError, Outcome
from judges.llm.base import BoundJudge, LlmJudge
from judges.llm.jury import Jury
from judges.llm.pairwise import Pairwise
from judges.llm.registry import LLM_JUDGES, make_llm_judge
from judges.recorded import Recorded
from judges.registry import VERIFIERS
from schemas.manifest import ModelRef
from trainer.reward_recipe import JudgeModelTable, JudgeRunTable, RewardJudgeTable
from trainer.rlvr.judge_models import JudgeModel, Meter, make_sampler, metering
from trainer.rlvr.spending import Spent


class Judged(msgspec.Struct, frozen=True):
    """One outcome an answer, in order; `spent` where a model was asked."""

    outcomes: Sequence[Outcome]
    spent: Spent | None = None


class _Bound(msgspec.Struct, frozen=True):
    judge: LlmJudge
    models: dict[str, JudgeModel]


class RewardJudges:
    """By the names that the recipe gives them. Judges that ask the same endpoint share its limits.

    They judge between `start` and `close`, in one event loop.
    """

    def __init__(self, tables: Mapping[str, RewardJudgeTable], run: JudgeRunTable, seed: int) -> None:
        """Raises ValueError, naming the table: an unknown judge or one that compares, a wrong option, no endpoint."""
        self._run, self._seed = run, derive_seed(seed, "judge")
        self._samplers: dict[str, Sampler] = {}
        self._started: list[Sampler] = []
        self._bound: dict[str, _Bound] = {}
        for name, table in tables.items():
            try:
                self._bound[name] = self._bind(name, table)
            except ValueError as err:
                raise ValueError(f"reward.judges.{name}: {err}") from err

    def __contains__(self, name: object) -> bool:
        return name in self._bound

    @property
    def kinds(self) -> dict[str, LlmJudge]:
        return {name: bound.judge for name, bound in self._bound.items()}

    @property
    def models(self) -> list[ModelRef]:
        """Those that are asked; known once it has started."""
        return [sampler.model for sampler in self._samplers.values()]

    async def start(self) -> None:
        """Raises RunError: an endpoint is dead, refuses the key, or lacks what a judge needs."""
        try:
            for sampler in self._samplers.values():
                await sampler.start()
                self._started.append(sampler)
            self._check_capabilities()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        while self._started:
            await self._started.pop().close()

    async def judge(self, name: str, group: Group) -> Judged:
        """Raises RunError when no question to a model can succeed."""
        bound, meter = self._bound[name], Meter()
        token = metering.set(meter)
        try:
            outcomes = await BoundJudge(bound.judge, bound.models).judge(group)
        finally:
            metering.reset(token)
        return Judged(outcomes, meter.spent + _counted(outcomes))

    def _bind(self, name: str, table: RewardJudgeTable) -> _Bound:
        judge = _make(table.judge or name, table)
        _check_models(judge, table.model)
        return _Bound(judge, {one.called: self._model(one) for one in table.model})

    def _model(self, table: JudgeModelTable) -> JudgeModel:
        key = table.model_dump_json(exclude={"called", "chat_template_kwargs"})  # these go with each question
        if key not in self._samplers:
            self._samplers[key] = make_sampler(table, self._run)
        return JudgeModel(table, self._samplers[key], self._seed, self._run.prices)

    def _check_capabilities(self) -> None:
        for name, bound in self._bound.items():
            for called in bound.judge.logprob_models:
                model = bound.models[called].sampler
                if "top_logprobs" not in model.capabilities:
                    reason = f"reward.judges.{name}: needs top_logprobs, and the engine {model.model.engine!r} has none"
                    raise RunError("lacks_capability", reason)


def _make(kind: str, table: RewardJudgeTable) -> LlmJudge:
    if kind in VERIFIERS:
        raise ValueError(f"{kind} is a verifier, which asks no model; move it to [reward.verifiers]")
    if kind == Recorded.name:
        raise ValueError(f"{kind} reads judgements that were given before, and rollouts are new; take another judge")
    if kind not in LLM_JUDGES:
        nearest = get_close_matches(kind, LLM_JUDGES, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ";"
        raise ValueError(f"unknown judge {kind!r}{hint} known: {', '.join(LLM_JUDGES)}")
    judge = make_llm_judge(kind, table.options)
    members = judge.members if isinstance(judge, Jury) else ()
    if any(isinstance(one, Pairwise) for one in (judge, *members)):
        raise ValueError(
            f"{Pairwise.name} compares the answers to a prompt with one another: their mean is 1/2, whatever the "
            "policy has learnt; take a judge that rates each (aspects, rubric, reference, logprob, or a jury of these)"
        )
    return judge


def _check_models(judge: LlmJudge, tables: Sequence[JudgeModelTable]) -> None:
    called = Counter(table.called for table in tables)
    if twice := [name for name, count in called.items() if count > 1]:
        raise ValueError(f"two models are called {twice[0]}; tell them apart with `called`")
    if missing := judge.models - called.keys():
        raise ValueError(f"{judge.name} asks a model called {', '.join(sorted(missing))}; give it as [[...model]]")
    if unused := called.keys() - judge.models:
        raise ValueError(f"{judge.name} asks no model called {', '.join(sorted(unused))}; remove it")


def _counted(outcomes: Sequence[Outcome]) -> Spent:
    failed = Counter(one.kind for one in outcomes if isinstance(one, JudgeError))
    abstained = sum(not isinstance(one, JudgeError) and one.score is None for one in outcomes)
    return Spent(judged=len(outcomes) - failed.total() - abstained, abstained=abstained, failed=dict(failed))
