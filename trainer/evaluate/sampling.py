"""The answers of one evaluation: drawn, graded as they come, and those for the KL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import numpy as np

from factory.sampling.errors import RowError
from factory.sampling.types import Answer, Sampler, SamplingParams
from judges.base import JudgeError, Verifier
from judges.error_budget import ErrorBudget, TooManyErrorsError
from schemas.manifest import ModelRef
from schemas.records import Prompt
from trainer.evaluate.drawing import Counts, Draw, Drawing, draw_all
from trainer.evaluate.engine import IN_FLIGHT, choose_engine, make_sampler, template_opens_thoughts
from trainer.evaluate.errors import EvalError
from trainer.evaluate.figures import CUT, Graded, Sample
from trainer.evaluate.grading import grade
from trainer.evaluate.intervals import Floats
from trainer.evaluate.kept import Kept
from trainer.evaluate.progress import Progress
from trainer.evaluate.scoring import Said
from trainer.evaluate.settings import EvalSettings

Check = Callable[[Draw, Answer | RowError], Awaitable[JudgeError | None]]


class KLAnswer(msgspec.Struct, frozen=True):
    """An answer at temperature 1, with the log-probs (T,) that its sampler states."""

    prompt_id: str
    said: Said
    logprobs: Floats
    is_cut: bool


class KLAnswers(msgspec.Struct, frozen=True):
    answers: list[KLAnswer]
    unanswered: int


class Sampled(msgspec.Struct, frozen=True, kw_only=True):
    """`draws` and `rows` are in the order of the prompts; `kl` is null where no KL was asked for."""

    model: ModelRef
    draws: list[Draw]
    rows: list[Graded]
    kl: KLAnswers | None
    counts: Counts


async def sample(
    settings: EvalSettings,
    prompts: Sequence[Prompt],
    verifiers: Mapping[str, Verifier],
    kl_prompts: Sequence[Prompt] | None,
    kept: Kept,
) -> Sampled:
    """Raises EvalError when too many answers have no verdict, and SamplingError when the model cannot answer."""
    engine = choose_engine(settings)
    opened = not settings.is_endpoint and template_opens_thoughts(settings.model, settings.chat_template_kwargs)
    sampler = make_sampler(settings, engine)
    drawn = _Drawn(settings, sampler, kept, IN_FLIGHT[engine])
    try:
        await sampler.start()
        rows, draws = await drawn.graded(prompts, verifiers, opened)
        kl = None if kl_prompts is None else await drawn.for_kl(kl_prompts)
        return Sampled(model=sampler.model, draws=draws, rows=rows, kl=kl, counts=drawn.counts)
    finally:
        await sampler.close()


class _Drawn:
    """Draws from one started engine."""

    def __init__(self, settings: EvalSettings, sampler: Sampler, kept: Kept, workers: int) -> None:
        self._settings, self._sampler, self._kept, self._workers = settings, sampler, kept, workers
        self.counts = Counts()

    async def graded(
        self, prompts: Sequence[Prompt], verifiers: Mapping[str, Verifier], opened: bool
    ) -> tuple[list[Graded], list[Draw]]:
        drawing, n = self._drawing(self._settings.sampling), self._settings.n
        samples: dict[int, Sample] = {}

        async def use(draw: Draw, answer: Answer | RowError) -> JudgeError | None:
            found = await _graded(draw.prompt, verifiers[draw.prompt.verifier or ""], answer, opened)
            samples[draw.place] = found
            return _error(found)

        await self._draw("answers", drawing, prompts, use)
        rows = [
            Graded(prompt.prompt_id, prompt.verifier or "", [samples[number * n + index] for index in range(n)])
            for number, prompt in enumerate(prompts)
        ]
        return rows, list(drawing.draws(prompts))

    async def for_kl(self, prompts: Sequence[Prompt]) -> KLAnswers:
        answers: dict[int, KLAnswer] = {}

        async def use(draw: Draw, answer: Answer | RowError) -> JudgeError | None:
            if isinstance(answer, RowError):
                return JudgeError(answer.kind, answer.reason)
            answers[draw.place] = _kl_answer(draw.prompt, answer)
            return None

        await self._draw("answers for the KL", self._drawing(self._settings.kl_sampling), prompts, use)
        total = len(prompts) * self._settings.n
        return KLAnswers([answers[place] for place in sorted(answers)], total - len(answers))

    def _drawing(self, params: SamplingParams) -> Drawing:
        return Drawing(self._sampler, params, self._settings.n, self._settings.seed)

    async def _draw(self, what: str, drawing: Drawing, prompts: Sequence[Prompt], use: Check) -> None:
        """`use` says what kept an answer from being used; too many of these end the run."""
        budget = ErrorBudget()
        with Progress(what, len(prompts) * drawing.n) as progress:

            async def use_one(draw: Draw, answer: Answer | RowError) -> None:
                budget.add(draw.place, await use(draw, answer))
                progress.advance()

            try:
                found = await draw_all(drawing, prompts, self._kept, self._workers, use_one)
                budget.check()
            except TooManyErrorsError as err:
                raise EvalError(str(err)) from err
        self.counts.asked += found.asked
        self.counts.found += found.found


async def _graded(prompt: Prompt, verifier: Verifier, answer: Answer | RowError, opened: bool) -> Sample:
    if isinstance(answer, RowError):
        return Sample(unanswered=answer.kind, reason=answer.reason)
    tokens, finish = answer.n_completion_tokens, answer.finish_reason
    try:
        found = await grade(prompt, verifier, answer, opened)
    except JudgeError as err:
        return Sample(error=err.kind, reason=err.reason, tokens=tokens, finish=finish)
    return Sample(
        strict=found.strict,
        flex=found.flex,
        verdict=found.verdict,
        reason=found.reason,
        tokens=tokens,
        finish=finish,
    )


def _error(sample: Sample) -> JudgeError | None:
    kind = sample.error or sample.unanswered
    return None if kind is None else JudgeError(kind, sample.reason)


def _kl_answer(prompt: Prompt, answer: Answer) -> KLAnswer:
    asked, ids, logprobs = answer.prompt_token_ids, answer.token_ids, answer.logprobs
    if not asked or not ids or logprobs is None or len(ids) != len(logprobs):
        raise EvalError(
            f"prompt {prompt.prompt_id}: the engine gave no token ids or log-probs; use --engine transformers"
        )
    said = Said(np.array([*asked, *ids], dtype=np.int32), len(asked))
    return KLAnswer(prompt.prompt_id, said, np.array(logprobs), answer.finish_reason == CUT)
