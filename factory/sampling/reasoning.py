"""Dividing a text into the thoughts and the answer that follows them."""

from __future__ import annotations

from typing import NamedTuple

OPEN, CLOSE = "<think>", "</think>"


class Split(NamedTuple):
    """`reasoning` is None where the text has none; `closed` is False where the thoughts never end."""

    reasoning: str | None
    answer: str
    closed: bool


def split_reasoning(text: str, template_opened: bool = False) -> Split:
    """Divide at the first `</think>`: a model that writes another one writes it into its answer.

    Args:
        template_opened: the chat template ended with `<think>`, so the text begins inside the thoughts.
    """
    stripped = text.lstrip()
    if stripped.startswith(OPEN):
        inside = stripped[len(OPEN) :]
    elif template_opened:
        inside = text
    else:
        return Split(None, text, True)
    reasoning, close, answer = inside.partition(CLOSE)
    return Split(reasoning.strip(), answer.strip(), bool(close))
