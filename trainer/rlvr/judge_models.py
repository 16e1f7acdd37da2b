"""The models that judges ask in a run: endpoints, with limits of their own."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

from factory.sampling.choice import is_url
from factory.sampling.errors import RowError
from factory.sampling.types import Answer, Sampler, SamplingParams
from judges.base import JudgeError
from judges.llm.base import Ask, Reply, Token
from trainer.reward_recipe import JudgeModelTable, JudgePriceTable, JudgeRunTable
from trainer.rlvr.spending import Spent

ROLE = "judge"
INITIAL_IN_FLIGHT = 32  # doubles with every round of answers until the first refusal
LITELLM = "litellm:"
MILLION = 1e6


class Meter:
    """Counts what the judgement under way asks."""

    def __init__(self) -> None:
        self.spent = Spent()

    def unanswered(self) -> None:
        self.spent += Spent(requests=1)

    def answered(self, answer: Answer, price: JudgePriceTable | None) -> None:
        prompt, completion = answer.n_prompt_tokens, answer.n_completion_tokens
        usd = None if price is None else (prompt * price.prompt + completion * price.completion) / MILLION
        self.spent += Spent(requests=1, prompt_tokens=prompt, completion_tokens=completion, usd=usd)


metering: ContextVar[Meter] = ContextVar("metering")  # of the judgement under way: its asks are tasks of their own


class JudgeModel:
    """What `judges.llm.base.Generate` is in a run. A request that no answer can be had for is a `JudgeError`."""

    def __init__(
        self, table: JudgeModelTable, sampler: Sampler, seed: int, prices: Mapping[str, JudgePriceTable]
    ) -> None:
        self.sampler = sampler
        self._extras, self._seed, self._prices = table.chat_template_kwargs, seed, prices

    async def __call__(self, ask: Ask) -> Reply:
        meter = metering.get()
        try:
            [answer] = await self.sampler.sample(ask.messages, 1, self._params(ask))
        except RowError as err:
            meter.unanswered()
            raise JudgeError(err.kind, err.reason) from err
        meter.answered(answer, self._prices.get(self.sampler.model.model))
        return _to_reply(answer)

    def _params(self, ask: Ask) -> SamplingParams:
        return SamplingParams(
            temperature=ask.temperature,
            max_tokens=ask.max_tokens,
            seed=self._seed,
            json_schema=ask.schema if "json_schema" in self.sampler.capabilities else None,
            top_logprobs=ask.top_logprobs,
            chat_template_kwargs=self._extras,
        )


def make_sampler(table: JudgeModelTable, run: JudgeRunTable) -> Sampler:
    """Not started yet. Raises ValueError: it is no endpoint."""
    if is_url(table.model):
        return _openai(table, run)
    if table.model.startswith(LITELLM):
        return _litellm(table, run)
    raise ValueError(
        f"the model {table.model!r} is no endpoint; serve it (vllm serve {table.model}) and give the URL, "
        f"like http://127.0.0.1:8000/v1"
    )


def _openai(table: JudgeModelTable, run: JudgeRunTable) -> Sampler:
    from factory.sampling.openai import EndpointSettings, OpenAIEngine

    return OpenAIEngine(
        EndpointSettings(
            base_url=table.model,
            model=table.name,
            role=ROLE,
            revision=table.revision,
            api_key_env=table.api_key_env,
            max_in_flight=run.max_in_flight,
            initial_in_flight=min(INITIAL_IN_FLIGHT, run.max_in_flight),
            row_deadline_s=run.row_deadline_s,
            connect_timeout_s=run.connect_timeout_s,
            idle_timeout_s=run.answer_timeout_s,
            total_timeout_s=run.answer_timeout_s,
        )
    )


def _litellm(table: JudgeModelTable, run: JudgeRunTable) -> Sampler:
    from factory.sampling.litellm import LiteLLMEngine, LiteLLMSettings

    return LiteLLMEngine(
        LiteLLMSettings(
            model=table.model.removeprefix(LITELLM),
            role=ROLE,
            api_base=table.api_base,
            api_key_env=table.api_key_env,
            revision=table.revision,
            max_in_flight=run.max_in_flight,
            initial_in_flight=min(INITIAL_IN_FLIGHT, run.max_in_flight),
            row_deadline_s=run.row_deadline_s,
            total_timeout_s=run.answer_timeout_s,
        )
    )


def _to_reply(answer: Answer) -> Reply:
    tokens = None
    if answer.tokens is not None:
        tokens = [Token(token.text, token.logprob, token.likeliest) for token in answer.tokens]
    return Reply(text=answer.text, reasoning=answer.reasoning, finish_reason=answer.finish_reason, tokens=tokens)
