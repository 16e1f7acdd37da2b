"""Answers on the disk as they come, so that a killed evaluation goes on and asks nothing twice.

One SQLite file beside the report, held by one process. It is removed when the report is there.
"""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path
from types import TracebackType

import msgspec

from factory.sampling.types import Answer
from schemas.errors import ConflictError, DataError, WriteError
from schemas.local import make_folders

_BUSY = ("database is locked", "database table is locked")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Answer)


class Kept:
    """Answers by request key. Use with `with`: it holds the file for this process alone until then.

    Raises:
        ConflictError: another process evaluates into the same report.
        DataError: the file is none of ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        make_folders(path.parent)
        try:
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
            try:
                self._hold()
            except sqlite3.Error:
                self._db.close()
                raise
        except sqlite3.Error as err:
            if str(err) in _BUSY:
                raise ConflictError(
                    f"{path}: another evaluation is at work here; wait for it, or name another --out"
                ) from err
            raise DataError(f"{path}: cannot be opened ({err}); remove it, and its answers are asked again") from err

    def _hold(self) -> None:
        # A kill loses nothing; a power cut may cost the last answers, which are then asked again.
        for setting in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = NORMAL"):
            self._db.execute(f"PRAGMA {setting}")
        self._db.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer BLOB NOT NULL) STRICT")
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute("COMMIT")

    def __enter__(self) -> Kept:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def get(self, key: str) -> Answer | None:
        """Raises DataError when what is there cannot be read."""
        try:
            row = self._db.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
            return None if row is None else _decoder.decode(zlib.decompress(row[0]))
        except (sqlite3.Error, msgspec.MsgspecError, zlib.error) as err:
            raise DataError(f"{self.path}: answer {key} cannot be read ({err}); remove the file") from err

    def put(self, key: str, answer: Answer) -> None:
        """Raises WriteError when the disk is full."""
        try:
            self._db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, zlib.compress(_encoder.encode(answer), 1))
            )
        except sqlite3.Error as err:
            raise WriteError(f"{self.path}: an answer could not be kept ({err}); make room and run it again") from err

    def remove(self) -> None:
        """The file itself, once its answers are elsewhere."""
        self._db.close()
        for name in ("", "-wal", "-shm"):
            Path(f"{self.path}{name}").unlink(missing_ok=True)
