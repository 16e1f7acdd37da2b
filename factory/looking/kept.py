"""What is kept on disk between two looks: files that may be removed at any time, and are then made again."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from schemas.errors import WriteError

T = TypeVar("T")
PRUNE_EVERY_S = 60.0
IN_USE_S = 60.0  # since it was last asked for: a file that is about to be opened is not removed
LEFT_S = 3600.0  # after which a file that nobody has finished is of a process that is dead
UNFINISHED = ".tmp-"


class Kept:
    """Files of up to `limit` bytes in all, below `folder`. Those not used for longest go first.

    Several processes may use one folder: a file appears whole, by a rename, and its name says all that it depends on.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self._limit = folder, limit
        self._pruned = time.monotonic()

    def path(self, name: str) -> Path | None:
        """Where the file is, if it is there; it counts as used."""
        place = self.folder / name
        try:
            os.utime(place)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:  # another user's, who keeps it in use
            return place
        return place

    def write(self, name: str, write: Callable[[Path], None]) -> Path:
        """Let `write` fill a new file, then give it its name. Raises WriteError."""
        place = self.folder / name
        aside = place.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            write(aside)
            _sync(aside)  # or a power cut could leave a name without its bytes
            aside.replace(place)
        except OSError as err:
            why = err.strerror or err
            raise WriteError(f"{self.folder}: cannot be written ({why}); make room, or let it be written to") from err
        finally:
            if aside.exists():
                aside.unlink(missing_ok=True)
        if time.monotonic() - self._pruned > PRUNE_EVERY_S:
            self.prune()
        return place

    def read_json(self, name: str, kind: type[T]) -> T | None:
        """None when it is not there, or of an older form."""
        place = self.path(name)
        if place is None:
            return None
        try:
            return msgspec.json.decode(place.read_bytes(), type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, FileNotFoundError):
            return None

    def write_json(self, name: str, value: object) -> None:
        """Where nothing can be written it is not kept, and will be made again."""
        data = msgspec.json.encode(value)
        with suppress(WriteError):
            self.write(name, lambda place: _write(place, data))

    def prune(self) -> None:
        """Remove what is over the limit, and what killed processes left unfinished."""
        self._pruned = time.monotonic()
        found = sorted(_files(self.folder), key=lambda file: file[1].st_mtime)
        total = sum(state.st_size for _, state in found)
        now = time.time()
        for place, state in found:
            age = now - state.st_mtime
            is_left = age > LEFT_S and place.name.startswith(UNFINISHED)
            if is_left or (total > self._limit and age > IN_USE_S):
                place.unlink(missing_ok=True)
                total -= state.st_size


def _sync(place: Path) -> None:
    with place.open("rb") as file:
        os.fsync(file.fileno())


def _write(place: Path, data: bytes) -> None:
    place.write_bytes(data)


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    """All files below, but for those that go while one looks."""
    found = []
    for place in folder.rglob("*"):
        try:
            if place.is_file():
                found.append((place, place.stat()))
        except FileNotFoundError:
            continue
    return found
