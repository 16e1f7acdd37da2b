"""Every rollout of a run, kept as the run goes, so that people can look at their data.

OUT.run/rollouts/run.json                the id of the run
                 data/<sha256>.parquet   all groups that were drawn for a batch, in the order of the draws
                 batches/<draw>.json     the batch that begins with this draw; written last, and only then it is there

A run that goes on from a checkpoint draws again what was drawn after it: those batches are dropped first, so that
nothing is there twice. Groups that no batch has taken when the run ends are not there: which they are is chance.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TypeVar

import msgspec

from schemas.canonical import canonical_json
from schemas.errors import CorruptError, WriteError
from schemas.local import LocalFolder
from schemas.manifest import ModelRef, Shard
from schemas.records import Completion
from schemas.shards import ShardWriter
from trainer.rlvr.books import Books, books_of
from trainer.rlvr.collecting import Batch
from trainer.rlvr.rollout_rows import RolloutRows
from trainer.rlvr.rollouts import Group

RUN = "run.json"
DATA = "data"
BATCHES = "batches"
T = TypeVar("T")


class RunId(msgspec.Struct, frozen=True):
    """Chance, not a hash of the recipe: a run that is made once more is another one, with other rollouts."""

    run_id: str


class BatchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The draws `first` up to `stop`, which the batch of this step took."""

    step: int
    first: int
    stop: int
    policy: ModelRef
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
        kept = self._without_later(taken)
        self._check_whole(kept, taken)
        self._clear(kept)
        self.run_id = self._begun() if taken else self._begin()

    def add(self, batch: Batch, step: int) -> None:
        """Raises WriteError: no space, or the like."""
        if not batch.drawn:
            return
        try:
            self._add(batch, step)
        except OSError as err:
            raise WriteError(
                f"{self.folder.location}: rollouts not written ({err.strerror or err}); "
                "make room, and the same command goes on"
            ) from err

    def records(self) -> list[BatchRecord]:
        """All batches, in order. Raises CorruptError."""
        return [self._read(path, BatchRecord) for path in self.folder.list(BATCHES)]

    def _add(self, batch: Batch, step: int) -> None:
        drawn = _in_order(batch)
        first, stop = drawn[0][0].draw, drawn[-1][0].draw + 1
        rows = [row for group, why in drawn for row in self.rows.of(group, step, why)]
        record = BatchRecord(
            step=step,
            first=first,
            stop=stop,
            policy=self.rows.policy,
            shards=self._write(rows, f"draws-{first}-{stop}"),
            books=books_of(batch, rows),
        )
        self.folder.replace(_place(first), canonical_json(record))

    def _write(self, rows: list[Completion], unit: str) -> list[Shard]:
        writer = ShardWriter(self.folder, DATA, Completion, units=[unit])
        try:
            writer.write(rows)
            return writer.close()
        except BaseException:
            writer.abort()
            raise

    def _without_later(self, taken: int) -> list[BatchRecord]:
        kept = []
        for path in self.folder.list(BATCHES):
            record = None if _is_unfinished(path) else self._read(path, BatchRecord)
            if record is not None and record.stop <= taken:
                kept.append(record)
            else:
                self.folder.delete(path)
        return kept

    def _check_whole(self, kept: list[BatchRecord], taken: int) -> None:
        """Each draw that the run took is in one batch, and each batch has its shards."""
        at = 0
        for record in kept:
            if record.first == at and all(self._is_there(shard) for shard in record.shards):
                at = record.stop
        if at != taken:
            raise CorruptError(
                f"{self.folder.location}: the rollouts of draw {at} and later are missing or cut short; restore them "
                "from a copy, or remove the run's folder to begin anew"
            )

    def _is_there(self, shard: Shard) -> bool:
        return self.folder.exists(shard.path) and self.folder.size(shard.path) == shard.bytes

    def _clear(self, kept: list[BatchRecord]) -> None:
        """Remove shards of batches that are not there, and what a killed process was writing."""
        named = {shard.path for record in kept for shard in record.shards}
        for path in self.folder.list(DATA):
            if path not in named:
                self.folder.delete(path)

    def _begun(self) -> str:
        if not self.folder.exists(RUN):
            raise CorruptError(
                f"{self.folder.where(RUN)}: missing; restore it from a copy, or remove the run's folder to begin anew"
            )
        return self._read(RUN, RunId).run_id

    def _begin(self) -> str:
        begun = RunId(secrets.token_hex(8))
        self.folder.replace(RUN, canonical_json(begun))
        return begun.run_id

    def _read(self, path: str, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(self.folder.read_bytes(path), type=kind)
        except msgspec.MsgspecError as err:
            raise CorruptError(
                f"{self.folder.where(path)}: not readable ({err}); restore it from a copy, or remove the run's folder "
                "to begin anew"
            ) from err


def _in_order(batch: Batch) -> list[tuple[Group, str | None]]:
    """All groups that were drawn, each with the reason why it was left out."""
    drawn: list[tuple[Group, str | None]] = [(group, None) for group in batch.groups]
    drawn += [(group, why) for why, group in batch.others]
    return sorted(drawn, key=lambda one: one[0].draw)


def _place(first: int) -> str:
    return f"{BATCHES}/{first:012}.json"


def _is_unfinished(path: str) -> bool:
    return not path.endswith(".json")
