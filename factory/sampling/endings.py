"""Where an answer ends: at an end token, at a stop string, or at its length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from factory.sampling.decode import Row
    from factory.sampling.rendering import PromptRenderer

MARGIN = 4  # tokens before a stop string whose first bytes may lie in it


class Endings:
    """Says why a row has ended, and gives an ended row its text."""

    def __init__(self, model: Any, renderer: PromptRenderer) -> None:  # noqa: ANN401 - any causal language model
        self._ends = end_tokens(model, renderer)
        self._special = renderer.special_ids
        self._renderer = renderer

    def __call__(self, row: Row) -> str | None:
        """ "stop", "length" or None, for a row whose last token is new."""
        if row.token_ids[-1] in self._ends:
            row.text = self._renderer.text(row.token_ids[:-1])
            return "stop"
        if row.params.stop and self._at_stop_string(row):
            row.text = self._cut(row)
            return "stop"
        if len(row.token_ids) >= row.max_tokens:
            row.text = self._renderer.text(row.token_ids)
            return "length"
        return None

    def _at_stop_string(self, row: Row) -> bool:
        """Looks at the tail alone: every token that is text has a byte at least, so a stop string has few tokens."""
        longest = max(len(stop.encode()) for stop in row.params.stop) + MARGIN
        tail: list[int] = []
        for token_id in reversed(row.token_ids):
            if len(tail) == longest:
                break
            if token_id not in self._special:
                tail.append(token_id)
        text = self._renderer.text(tail[::-1])
        return any(stop in text for stop in row.params.stop)

    def _cut(self, row: Row) -> str:
        """The text before the first stop string."""
        text = self._renderer.text(row.token_ids)
        return text[: min(text.find(stop) for stop in row.params.stop if stop in text)]


def end_tokens(model: Any, renderer: PromptRenderer) -> frozenset[int]:  # noqa: ANN401 - any causal language model
    """The tokenizer's end token and all that the generation config names."""
    named = model.generation_config.eos_token_id
    several = named if isinstance(named, list) else [named]
    return frozenset(token_id for token_id in (*several, renderer.eos_token_id) if token_id is not None)
