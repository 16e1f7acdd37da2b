"""Rows of pass rates as prompts: what was measured and kept is what the next build asks about."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.datasets import DatasetVersion
from schemas.metadata import of_the_prompt
from schemas.records import PassRate, Prompt


def read_measured(version: DatasetVersion, start: int, stop: int) -> Iterator[tuple[int, Prompt]]:
    """The prompts whose first row is one of `start` to `stop`, each with that row.

    Rows that follow each other and were measured for several policies are one prompt.
    """
    before: Prompt | None = None
    for row, record in enumerate(version.records(max(start - 1, 0), stop), max(start - 1, 0)):
        if not isinstance(record, PassRate):
            raise TypeError(f"{version.name}: holds {version.manifest.kind}")
        prompt = _to_prompt(record)
        if row >= start and prompt != before:
            yield row, prompt
        before = prompt


def _to_prompt(row: PassRate) -> Prompt:
    """All of the prompt but its id at its source, which pass rates do not keep; with the system prompt it was under."""
    return Prompt(
        prompt_id=row.prompt_id,
        prompt=row.prompt,
        ground_truth=row.ground_truth,
        verifier=row.verifier,
        source=row.source,
        source_id="",
        licence=row.licence,
        metadata=of_the_prompt(row.metadata),
    )
