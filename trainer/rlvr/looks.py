"""What the policy said to the watched prompts, each time that they were looked at.

OUT.run/watched/data/<sha256>.parquet   the answers of one look
                looks/<step>.json       the look after so many batches; written last

They become a dataset of their own: watched prompts may be held out, and must not get among rows that train.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from schemas.errors import CorruptError
from schemas.local import LocalFolder
from schemas.manifest import ModelRef, Shard
from trainer.rlvr.books import Books, books_of_groups
from trainer.rlvr.rollout_rows import RolloutRows
from trainer.rlvr.rollouts import Group
from trainer.rlvr.shelf import Shelf

LOOKS = "looks"


class LookRecord(msgspec.Struct, frozen=True, kw_only=True):
    """After `step` batches."""

    step: int
    policy: ModelRef
    judges: list[ModelRef] = []
    shards: list[Shard]
    books: Books


class Looks:
    """Use by one process at a time: the one that holds the run folder's lock."""

    def __init__(self, folder: Path, rows: RolloutRows, after: int | None) -> None:
        """Go on after so many batches, and forget later looks; None: the run begins anew.

        Raises:
            CorruptError: a shard of an earlier look is missing.
        """
        self.folder, self.rows = LocalFolder(folder), rows
        self._shelf = Shelf(self.folder, LOOKS, LookRecord)
        kept = self._shelf.keep(lambda record: after is not None and record.step <= after)
        if torn := [record.step for record in kept if not self._shelf.is_whole(record)]:
            raise CorruptError(
                f"{self.folder.location}: the answers of step {torn[0]} are missing or cut short; restore them from a "
                "copy, or remove the run's folder to begin anew"
            )
        self._shelf.clear(kept)

    def add(self, groups: Sequence[Group], step: int) -> None:
        """Raises WriteError: no space, or the like."""
        rows = [row for group in groups for row in self.rows.watched(group, step)]

        def record(shards: list[Shard]) -> LookRecord:
            return LookRecord(
                step=step,
                policy=self.rows.policy,
                judges=list(self.rows.judges),
                shards=shards,
                books=books_of_groups(groups, rows),
            )

        self._shelf.add(step, rows, f"step-{step}", record)

    def records(self) -> list[LookRecord]:
        """All looks, in order. Raises CorruptError."""
        return self._shelf.records()
