"""Answers as they came from the model, out of the ledger."""

from __future__ import annotations

import re

import msgspec

from factory.ledger import Remembered, look_up
from factory.looking.library import Library
from factory.looking.turns import Text, Turn, cut, maybe_cut, read_metadata, to_turns
from factory.workspace import ledger_path
from schemas.records import Completion, Message, Record, Trace

_KEY = re.compile("[0-9a-f]{64}")
MOST = 8  # of one row
PATH = "exchange"  # its texts are asked for as "exchange[0].text"


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """`asked`: the messages as they were sent, where the row tells them."""

    request_key: str
    model: str
    build_id: str
    created_at: float  # UTC, seconds since 1970
    seconds: float
    finish_reason: str
    n_prompt_tokens: int
    n_completion_tokens: int
    asked: list[Turn]
    text: Text
    reasoning: Text | None


def exchanges_of(library: Library, row: Record, characters: int) -> list[Exchange]:
    """Of a row that was sampled, and whose answer is in this workspace's ledger. Raises DataError: it is damaged."""
    asked = to_turns(_asked(row), _asked_column(row), characters)
    return [_exchange(one, number, asked, characters) for number, one in enumerate(remembered(library, row))]


def remembered(library: Library, row: Record) -> list[Remembered]:
    return look_up(ledger_path(library.home), _keys(row))


def _exchange(one: Remembered, number: int, asked: list[Turn], characters: int) -> Exchange:
    answer = one.answer
    return Exchange(
        request_key=one.key,
        model=one.model,
        build_id=one.build_id,
        created_at=one.created_at,
        seconds=one.seconds,
        finish_reason=answer.finish_reason,
        n_prompt_tokens=answer.n_prompt_tokens,
        n_completion_tokens=answer.n_completion_tokens,
        asked=asked,
        text=cut(answer.text, f"{PATH}[{number}].text", characters),
        reasoning=maybe_cut(answer.reasoning, f"{PATH}[{number}].reasoning", characters),
    )


def _keys(row: Record) -> list[str]:
    """Of the request, and of those that went on where an answer was cut."""
    if not isinstance(row, Completion | Trace):
        return []
    trace = read_metadata(row.metadata).get("trace")
    later = trace.get("continued") if isinstance(trace, dict) else None
    keys = [row.request_key, *(later if isinstance(later, list) else [])]
    return [key for key in keys if isinstance(key, str) and _KEY.fullmatch(key)][:MOST]


def _asked(row: Record) -> list[Message]:
    return row.prompt if isinstance(row, Completion) else row.messages[:-1] if isinstance(row, Trace) else []


def _asked_column(row: Record) -> str:
    return "messages" if isinstance(row, Trace) else "prompt"
