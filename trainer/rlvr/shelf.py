"""Shards of rollouts on disk, each named by a record that is written last: only then is it there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

import msgspec

from schemas.canonical import canonical_json
from schemas.errors import CorruptError, WriteError
from schemas.local import LocalFolder
from schemas.manifest import Shard
from schemas.records import Completion
from schemas.shards import ShardWriter

DATA = "data"


class Record(Protocol):
    @property
    def shards(self) -> list[Shard]: ...


R = TypeVar("R", bound=Record)
T = TypeVar("T")


class Shelf(Generic[R]):
    """The folder `data` and that of the records, `under`. For one process at a time."""

    def __init__(self, folder: LocalFolder, under: str, kind: type[R]) -> None:
        self.folder, self._under, self._kind = folder, under, kind

    def add(self, number: int, rows: Iterable[Completion], unit: str, make: Callable[[list[Shard]], R]) -> None:
        """Raises WriteError: no space, or the like."""
        try:
            record = make(self._write(rows, unit))
            self.folder.replace(f"{self._under}/{number:012}.json", canonical_json(record))
        except OSError as err:
            raise WriteError(
                f"{self.folder.location}: rollouts not written ({err.strerror or err}); "
                "make room, and the same command goes on"
            ) from err

    def records(self) -> list[R]:
        """All, in the order of their numbers. Raises CorruptError."""
        return [read_record(self.folder, path, self._kind) for path in self.folder.list(self._under)]

    def keep(self, is_kept: Callable[[R], bool]) -> list[R]:
        """Those that are kept. The others are removed, and half-written ones. Raises CorruptError."""
        kept = []
        for path in self.folder.list(self._under):
            record = read_record(self.folder, path, self._kind) if path.endswith(".json") else None
            if record is not None and is_kept(record):
                kept.append(record)
            else:
                self.folder.delete(path)
        return kept

    def clear(self, kept: Iterable[R]) -> None:
        """Remove shards of records that are not there, and what a killed process was writing."""
        named = {shard.path for record in kept for shard in record.shards}
        for path in self.folder.list(DATA):
            if path not in named:
                self.folder.delete(path)

    def is_whole(self, record: R) -> bool:
        return all(
            self.folder.exists(shard.path) and self.folder.size(shard.path) == shard.bytes for shard in record.shards
        )

    def _write(self, rows: Iterable[Completion], unit: str) -> list[Shard]:
        writer = ShardWriter(self.folder, DATA, Completion, units=[unit])
        try:
            writer.write(list(rows))
            return writer.close()
        except BaseException:
            writer.abort()
            raise


def read_record(folder: LocalFolder, path: str, kind: type[T]) -> T:
    """Raises CorruptError."""
    try:
        return msgspec.json.decode(folder.read_bytes(path), type=kind)
    except msgspec.MsgspecError as err:
        raise CorruptError(
            f"{folder.where(path)}: not readable ({err}); restore it from a copy, or remove the run's folder "
            "to begin anew"
        ) from err
