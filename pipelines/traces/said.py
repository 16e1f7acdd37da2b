"""What a teacher said to a prompt, in one request or in several that go on where the one before was cut."""

from __future__ import annotations

from typing import Any

import msgspec

from factory.sampling.reasoning import CLOSE, OPEN, split_reasoning
from factory.sampling.request import Drawn
from factory.sampling.types import Answer
from pipelines.ask import Answered, sample_id, sampled_columns
from schemas.metadata import with_metadata
from schemas.records import Message, Prompt, Trace

FACTS = "trace"  # where a row's metadata holds what has no column
_CLOSED = f"\n{CLOSE}\n\n"


class Said(msgspec.Struct, frozen=True):
    """`whole`: all of it as one text with its tags, `begun` in front: what the first answer goes on from.

    `divided`: the endpoint takes thoughts out of the text.
    """

    first: Answered
    whole: str
    divided: bool
    begun: str = ""
    later: tuple[Drawn, ...] = ()

    @property
    def last(self) -> Answer:
        return (self.later[-1] if self.later else self.first.drawn).answer

    @property
    def is_one_answer(self) -> bool:
        return not self.begun and not self.later

    @property
    def is_cut(self) -> bool:
        return self.last.finish_reason == "length"

    @property
    def drawn(self) -> list[Drawn]:
        return [self.first.drawn, *self.later]

    def plus(self, more: Drawn) -> Said:
        """With an answer that went on from here."""
        whole, divided = _joined(self.whole, more.answer), self.divided or more.answer.reasoning is not None
        return msgspec.structs.replace(self, whole=whole, divided=divided, later=(*self.later, more))


def said(member: Answered, template_opens_thinking: bool = False) -> Said:
    answer = member.drawn.answer
    if answer.reasoning is not None:
        return Said(member, _joined(f"{OPEN}\n", answer), divided=True)
    opens = template_opens_thinking and not answer.text.lstrip().startswith(OPEN)
    return Said(member, f"{OPEN}\n{answer.text}" if opens else answer.text, divided=False)


def said_on(member: Answered, begun: str) -> Said:
    """What a model said that was given `begun` to go on with."""
    answer = member.drawn.answer
    return Said(member, _joined(begun, answer), answer.reasoning is not None, begun)


def _joined(whole: str, answer: Answer) -> str:
    """The text with an answer that goes on from it. Where the endpoint divides, its division is undone."""
    if answer.reasoning is None:
        return whole + answer.text
    return whole + answer.reasoning + (_CLOSED if _thinks(whole) and answer.text else "") + answer.text


def _thinks(whole: str) -> bool:
    """Whether the thoughts go on at its end."""
    return whole.lstrip().startswith(OPEN) and CLOSE not in whole


def to_trace(prompt: Prompt, messages: list[Message], told: Said, facts: dict[str, Any] | None = None) -> Trace:
    """The record. `messages`: the conversation that it ends. `facts`: what is written of this row into its metadata."""
    answer = told.first.drawn.answer
    reasoning, text = answer.reasoning, answer.text
    if not (told.divided and told.is_one_answer):
        reasoning, text, _ = split_reasoning(told.whole)
    columns = sampled_columns(prompt, told.first)
    columns["finish_reason"] = told.last.finish_reason
    columns["n_completion_tokens"] = sum(one.answer.n_completion_tokens for one in told.drawn)
    if told.later:
        facts = {**(facts or {}), "continued": [one.request_key for one in told.later]}
    if facts:
        columns["metadata"] = with_metadata(prompt, {FACTS: facts})
    return Trace(
        trace_id=sample_id(prompt, told.first),
        messages=[*messages, Message("assistant", text, reasoning)],
        raw=None if told.divided else answer.text if told.is_one_answer else told.whole,
        **columns,
    )
