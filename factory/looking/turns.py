"""Messages and texts made ready to show: cut where they are long, each with the path that leads to the whole of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from factory.looking.filters import value_text
from schemas.records import Message

MOST_TURNS = 200  # of one conversation
MOST_PLACES = 200  # of one row's metadata
DEPTH = 4  # of the metadata that is shown place by place; what is deeper is one text
_PATH = re.compile(r"([a-z_]+)(?:\[([0-9]{1,9})\]\.(content|reasoning|role))?")


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """`more`: characters that were cut. `path`: what `full_text` is to be asked for."""

    text: str
    path: str
    more: int = 0


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    role: str
    content: Text
    reasoning: Text | None = None


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """A column that is no message, or a place in the metadata."""

    name: str
    value: Text


def cut(text: str, path: str, characters: int) -> Text:
    return Text(text=text[:characters], path=path, more=max(0, len(text) - characters))


def maybe_cut(text: str | None, path: str, characters: int) -> Text | None:
    return None if text is None else cut(text, path, characters)


def to_turns(messages: Sequence[Message], path: str, characters: int, first: int = 0) -> list[Turn]:
    """`path`: the column. `first`: the place of `messages[0]` in it."""
    return [
        Turn(
            role=message.role[:80],
            content=cut(message.content, f"{path}[{place}].content", characters),
            reasoning=maybe_cut(message.reasoning, f"{path}[{place}].reasoning", characters),
        )
        for place, message in enumerate(messages[:MOST_TURNS], first)
    ]


def length_of(messages: Sequence[Message]) -> int:
    """Characters of all turns, thoughts included."""
    return sum(len(message.content) + len(message.reasoning or "") for message in messages)


def read_metadata(metadata: str | None) -> dict[str, Any]:
    """Empty where there is none, or it is no JSON object: the column itself is a fact then."""
    try:
        return msgspec.json.decode(metadata or "{}", type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return {}


def to_facts(fields: dict[str, Any], prefix: str, characters: int) -> list[Fact]:
    """The places of a JSON object, in order."""
    places = [*_places(fields, prefix, DEPTH)][:MOST_PLACES]
    return [Fact(name=name, value=cut(value_text(value), name, characters)) for name, value in places]


def text_at(row: msgspec.Struct, path: str) -> str | None:
    """The whole text that a path names; None where there is none."""
    found = _PATH.fullmatch(path)
    if found is None:
        return _at_place(row, path)
    name, place, part = found.groups()
    value = getattr(row, name, None) if name in row.__struct_fields__ else None
    if place is None:
        return None if value is None or isinstance(value, list) else str(value)
    if not isinstance(value, list) or int(place) >= len(value) or not isinstance(value[int(place)], Message):
        return None
    text: str | None = getattr(value[int(place)], part)
    return text


def _at_place(row: msgspec.Struct, path: str) -> str | None:
    name, _, place = path.partition(".")
    if name != "metadata" or not place:
        return None
    value: Any = read_metadata(getattr(row, "metadata", None))
    for part in place.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value_text(value)


def _places(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict) and value and depth:
        for key, inner in value.items():
            yield from _places(inner, f"{name}.{key}", depth - 1)
    else:
        yield name, value
