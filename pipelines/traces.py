"""`factory build traces`: a teacher's reasoning and answer to each prompt, as training conversations.

Each trace passes the stages of the recipe in order: sampled, finished, reasoned, correct. What fails a stage is
rejected there with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

from factory.sampling.reasoning import split_reasoning
from factory.sampling.request import Drawer
from judges.base import Verifier
from pipelines.ask import Answered, draw_group
from pipelines.recipe import ModelRecipe
from pipelines.rows import RowResult, rejection
from pipelines.steps import Step, not_truncated, run_steps, verify
from schemas.canonical import short_hash
from schemas.records import Message, Prompt, Rejection, Trace


class TracesRecipe(ModelRecipe):
    """Defaults follow OpenThoughts: every complete trace is kept, right or wrong; `verify` keeps the right ones."""

    kind: Literal["traces"] = "traces"
    truncated: Literal["keep", "drop"] = "drop"
    require_reasoning: bool = True
    template_opens_thinking: bool = False  # the chat template ends with <think>, so the answer starts inside
    verify: bool = False

    def steps(self, prompt: Prompt, verifier: Verifier | None) -> list[Step[Trace]]:
        steps: list[Step[Trace]] = []
        if self.truncated == "drop":
            steps.append(Step("length", not_truncated))
        if self.require_reasoning:
            steps.append(Step("reasoning", _reasoned))
        if self.verify:
            steps.append(Step("verify", partial(_correct, prompt, verifier)))
        return steps


async def traces_row(
    recipe: TracesRecipe, drawers: Sequence[Drawer], prompt: Prompt, verifier: Verifier | None
) -> RowResult:
    group = await draw_group(prompt, recipe, drawers)
    traces = [_to_trace(recipe, prompt, group.messages, member) for member in group.answered]
    passed = run_steps(traces, recipe.steps(prompt, verifier))
    return RowResult(
        rows=passed.rows,
        rejections=[*group.dead, *passed.rejections],
        stages=[group.tally, *passed.stages],
        drawn=group.drawn,
    )


def _to_trace(recipe: TracesRecipe, prompt: Prompt, messages: list[Message], member: Answered) -> Trace:
    drawn, answer, params, ref = member.drawn, member.drawn.answer, member.drawer.params, member.drawer.model
    reasoning, text, raw = answer.reasoning, answer.text, None
    if reasoning is None:  # the endpoint did not divide it
        raw = answer.text
        reasoning, text, _ = split_reasoning(answer.text, recipe.template_opens_thinking)
    return Trace(
        trace_id=short_hash([prompt.prompt_id, ref.model, ref.revision, drawn.request_key, drawn.sample_index]),
        prompt_id=prompt.prompt_id,
        sample_index=drawn.sample_index,
        messages=[*messages, Message("assistant", text, reasoning)],
        raw=raw,
        ground_truth=prompt.ground_truth,
        verifier=prompt.verifier,
        finish_reason=answer.finish_reason,
        n_prompt_tokens=answer.n_prompt_tokens,
        n_completion_tokens=answer.n_completion_tokens,
        model=ref.model,
        revision=ref.revision,
        engine=ref.engine,
        temperature=None if params is None else params.temperature,
        top_p=None if params is None else params.top_p,
        seed=drawn.seed,
        request_key=drawn.request_key,
        source=prompt.source,
        licence=prompt.licence,
        metadata=prompt.metadata,
    )


def _reasoned(trace: Trace) -> Rejection | None:
    last = trace.messages[-1]
    if not (last.reasoning or "").strip():
        return rejection(trace.prompt_id, "reasoning", "no_reasoning", "the answer has no reasoning", row=trace)
    if not last.content.strip():
        return rejection(trace.prompt_id, "reasoning", "no_answer", "nothing follows the reasoning", row=trace)
    return None


def _correct(prompt: Prompt, verifier: Verifier | None, trace: Trace) -> Rejection | None:
    outcome = verify(prompt, verifier, trace, trace.messages[-1].content)
    if isinstance(outcome, Rejection):
        return outcome
    if outcome.correct:
        return None
    return rejection(trace.prompt_id, "verify", "wrong", outcome.reason, row=trace)
