"""Whether two checkpoints mean the same tokens by the same numbers."""

from __future__ import annotations

from pathlib import Path

from trainer.errors import ModelError
from trainer.rows.loading import load_tokenizer


def check_same_tokens(model: Path, reference: Path, setting: str) -> None:
    """`setting` is what names the reference, such as --reference.

    Raises:
        ModelError: a token has one number in `model` and another, or none, in `reference`; or one cannot be loaded.
    """
    ours, theirs = _numbers(model), _numbers(reference)
    if ours == theirs:
        return
    differing = [token for token in {**ours, **theirs} if ours.get(token) != theirs.get(token)]
    first = min(differing, key=lambda token: max(ours.get(token, -1), theirs.get(token, -1)))
    raise ModelError(
        f"{setting} {reference}: another tokenizer than {model} ({len(differing)} tokens differ, such as {first!r}: "
        f"{_said(ours.get(first))} in the model, {_said(theirs.get(first))} in the reference); give a reference whose "
        "tokens are the model's"
    )


def _said(number: int | None) -> str:
    return "none" if number is None else str(number)


def _numbers(folder: Path) -> dict[str, int]:
    numbers: dict[str, int] = load_tokenizer(folder).get_vocab()
    return numbers
