"""Every rollout that was drawn for a batch, kept as the run goes, so that people can look at their data.

OUT.run/rollouts/run.json                the id of the run
                 data/<sha256>.parquet   all groups that were drawn for a batch, in the order of the draws
                 batches/<draw>.json     the batch that begins with this draw; written last, and only then it is there

A run that goes on from a checkpoint draws again what was drawn after it: those batches are dropped first, so that
nothing is there twice. Groups that no batch has taken when the run ends are not there: which they are is chance.
What the policy says to watched prompts lies beside it: see `looks`.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from schemas.canonical import canonical_json
from schemas.errors import CorruptError
from schemas.local import LocalFolder
from schemas.manifest import ModelRef, Shard
from trainer.rlvr.books import Books, books_of
from trainer.rlvr.collecting import Batch
from trainer.rlvr.rollout_rows import RolloutRows
from trainer.rlvr.rollouts import Group
from trainer.rlvr.shelf import Shelf, read_record

RUN = "run.json"
BATCHES = "batches"


class RunId(msgspec.Struct, frozen=True):
    """Chance, not a hash of the recipe: a run that is made once more is another one, with other rollouts."""

    run_id: str


class BatchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The draws `first` up to `stop`, which the batch of this step took. `judges`: models that were asked of them."""

    step: int
    first: int
    stop: int
    policy: ModelRef
    judges: list[ModelRef] = []
    shards: list[Shard]
    books: Books


class Archive:
    """Use by one process at a time: the one that holds the run folder's lock."""

    def __init__(self, folder: Path, rows: RolloutRows, taken: int) -> None:
        """Go on after `taken` draws, and forget later ones.

        Raises:
            CorruptError: what was drawn before is not all there.
        """
        self.folder = LocalFolder(folder)
        self.rows = rows
        self._shelf = Shelf(self.folder, BATCHES, BatchRecord)
        kept = self._shelf.keep(lambda record: record.stop <= taken)
        self._check_whole(kept, taken)
        self._shelf.clear(kept)
        self.run_id = self._begun() if taken else self._begin()

    def add(self, batch: Batch, step: int) -> None:
        """Raises WriteError: no space, or the like."""
        if not batch.drawn:
            return
        drawn = _in_order(batch)
        first, stop = drawn[0][0].draw, drawn[-1][0].draw + 1
        rows = [row for group, why in drawn for row in self.rows.of(group, step, why)]

        def record(shards: list[Shard]) -> BatchRecord:
            return BatchRecord(
                step=step,
                first=first,
                stop=stop,
                policy=self.rows.policy,
                judges=list(self.rows.judges),
                shards=shards,
                books=books_of(batch, rows),
            )

        self._shelf.add(first, rows, f"draws-{first}-{stop}", record)

    def records(self) -> list[BatchRecord]:
        """All batches, in order. Raises CorruptError."""
        return self._shelf.records()

    def _check_whole(self, kept: list[BatchRecord], taken: int) -> None:
        """Each draw that the run took is in one batch, and each batch has its shards."""
        at = 0
        for record in kept:
            if record.first == at and self._shelf.is_whole(record):
                at = record.stop
        if at != taken:
            raise CorruptError(
                f"{self.folder.location}: the rollouts of draw {at} and later are missing or cut short; restore them "
                "from a copy, or remove the run's folder to begin anew"
            )

    def _begun(self) -> str:
        if not self.folder.exists(RUN):
            raise CorruptError(
                f"{self.folder.where(RUN)}: missing; restore it from a copy, or remove the run's folder to begin anew"
            )
        return read_record(self.folder, RUN, RunId).run_id

    def _begin(self) -> str:
        begun = RunId(secrets.token_hex(8))
        self.folder.replace(RUN, canonical_json(begun))
        return begun.run_id


def _in_order(batch: Batch) -> list[tuple[Group, str | None]]:
    """All groups that were drawn, each with the reason why it was left out."""
    drawn: list[tuple[Group, str | None]] = [(group, None) for group in batch.groups]
    drawn += [(group, why) for why, group in batch.others]
    return sorted(drawn, key=lambda one: one[0].draw)
