"""Text of models and of strangers, made safe to look at."""

from __future__ import annotations

NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str, keep: str = "") -> str:
    """Control, bidirectional and other unprintable characters as escapes, but for those in `keep`.

    A terminal obeys escape codes, and a reversed line reads as something else: neither may come from a model.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return NAMED.get(char) or f"\\u{{{ord(char):x}}}"
