"""Keeps keys out of messages. Whatever a server sends back goes through here before it is quoted."""

from __future__ import annotations

import re
from collections.abc import Iterable

QUOTE_CHARS = 300
_KEY_LIKE = re.compile(r"\b(?:sk|rk|pk|gsk|xai|hf)[-_][\w*.-]{6,}|(?i:bearer)\s+[^\s\"',;]{6,}")


class Redactor:
    """Replaces the values of some keys, and whatever looks like a key, by `[key]`."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = sorted(keys, key=len, reverse=True)  # a key may be the beginning of another

    def quote(self, text: str) -> str:
        """`text` on one line, without keys, at most 300 characters."""
        clean = " ".join(self.scrub(text).split())
        return clean if len(clean) <= QUOTE_CHARS else clean[: QUOTE_CHARS - 3] + "..."

    def scrub(self, text: str) -> str:
        for key in self._keys:
            text = text.replace(key, "[key]")
        return _KEY_LIKE.sub("[key]", text)

    def finds_key(self, text: str) -> bool:
        """Whether the value of a key is in `text`."""
        return any(key in text for key in self._keys)
