"""Keeps keys out of messages. Whatever a server sends back goes through here before it is quoted."""

from __future__ import annotations

import re

QUOTE_CHARS = 300
_KEY_LIKE = re.compile(r"\b(?:sk|rk|pk|gsk|xai|hf)[-_][\w*.-]{6,}|(?i:bearer)\s+[^\s\"',;]{6,}")


class Redactor:
    """Replaces the value of one key, and whatever looks like a key, by `[key]`."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def quote(self, text: str) -> str:
        """`text` on one line, without keys, at most 300 characters."""
        clean = " ".join(self.scrub(text).split())
        return clean if len(clean) <= QUOTE_CHARS else clean[: QUOTE_CHARS - 3] + "..."

    def scrub(self, text: str) -> str:
        if self._key is not None:
            text = text.replace(self._key, "[key]")
        return _KEY_LIKE.sub("[key]", text)

    def finds_key(self, text: str) -> bool:
        """Whether the key's own value is in `text`."""
        return self._key is not None and self._key in text
