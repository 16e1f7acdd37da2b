"""Text of models, made safe to look at."""

from __future__ import annotations


def visible(text: str, keep: str = "") -> str:
    """Control, bidirectional and other unprintable characters as escapes, but for those in `keep`.

    A terminal obeys escape codes, and a reversed line reads as something else: neither may come from a model.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else f"\\u{{{ord(char):x}}}" for char in text)
