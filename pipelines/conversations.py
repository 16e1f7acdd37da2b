"""What a prompt column may hold, a text or a list of messages, as messages."""

from __future__ import annotations

from typing import Any

from schemas.errors import DataError
from schemas.records import Message

ROLES = ("system", "developer", "user", "assistant", "tool")


def read_messages(value: Any, where: str, column: str) -> list[Message]:  # noqa: ANN401 - any JSON value
    """A text is one user turn; null is no message at all.

    Raises:
        DataError: neither text nor messages of text.
    """
    if value is None:
        return []
    if isinstance(value, str):
        return [Message("user", value)]
    if isinstance(value, list):
        return [_message(turn, f"{where}: {column}[{index}]") for index, turn in enumerate(value)]
    raise DataError(f"{where}: {column} is {type(value).__name__}; it must be a text or a list of messages")


def _message(turn: Any, where: str) -> Message:  # noqa: ANN401 - any JSON value
    if not isinstance(turn, dict) or not {"role", "content"} <= turn.keys():
        raise DataError(f"{where} is no message; a message is an object with role and content")
    role, content = turn["role"], turn["content"]
    if role not in ROLES:
        raise DataError(f"{where} has the role {role!r}; known: {', '.join(ROLES)}")
    if turn.get("tool_calls"):
        raise DataError(f"{where} has tool_calls, which prompts cannot hold; remove the row")
    if not isinstance(content, str):
        raise DataError(f"{where} has a content of {type(content).__name__}; it must be a text")
    reasoning = turn.get("reasoning")
    if reasoning is not None and not isinstance(reasoning, str):
        raise DataError(f"{where} has a reasoning of {type(reasoning).__name__}; it must be a text")
    return Message(role, content, reasoning)


def under_system_prompt(messages: list[Message], system_prompt: str | None) -> list[Message]:
    """The messages with `system_prompt`, if there is one, in place of their own."""
    if system_prompt is None:
        return messages
    return [Message("system", system_prompt), *(turn for turn in messages if turn.role != "system")]


def n_bytes(messages: list[Message]) -> int:
    return sum(len(turn.content.encode("utf-8", "surrogatepass")) for turn in messages)


def has_lone_surrogate(text: str) -> bool:
    """Whether the text holds half a character, which has no UTF-8 form."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
