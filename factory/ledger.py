"""The ledger: every answer that was ever paid for, under its request key. One SQLite file serves a whole workspace.

An answer is on disk before anything uses it. Answers that arrive together are committed together, so that the cost of
a durable write is shared; the first answer under a key stays, whoever wrote it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from factory.sampling.types import Answer
from schemas.errors import DataError, WriteError

SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY,
    model TEXT NOT NULL,
    build_id TEXT NOT NULL,
    n_prompt_tokens INTEGER NOT NULL,
    n_completion_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL,
    created_at REAL NOT NULL,
    answer BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS answers_by_build ON answers (build_id);
PRAGMA user_version = 1;
"""
BUSY_TIMEOUT_S = 60
COMPRESS_OVER_BYTES = 4096
LOOK_UP_KEYS = 64  # in one statement
GATHER_S = 0.01  # how long the first answer of a batch waits for others, to share the durable write

_LOOK_UP_ONE = "SELECT key, answer FROM answers WHERE key = ?"
_LOOK_UP_MANY = f"SELECT key, answer FROM answers WHERE key IN ({','.join('?' * LOOK_UP_KEYS)})"
_INSERT = "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Answer)


class Entry(msgspec.Struct, frozen=True):
    """An answer on its way to the disk. `seconds` is how long the model took."""

    key: str
    model: str
    build_id: str
    seconds: float
    answer: Answer


class Spent(msgspec.Struct, frozen=True):
    """What one build asked of one model."""

    model: str
    answers: int
    n_prompt_tokens: int
    n_completion_tokens: int


class History(msgspec.Struct, frozen=True):
    """What is known of a model's answers from earlier: token counts at three quantiles, seconds at the median."""

    answers: int
    low_tokens: int
    likely_tokens: int
    high_tokens: int
    seconds: float


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it lies in the ledger. `created_at`: UTC, seconds since 1970."""

    key: str
    model: str
    build_id: str
    seconds: float
    created_at: float
    answer: Answer


def look_up(path: Path, keys: Sequence[str]) -> list[Remembered]:
    """The answers under these keys, for a person to look at: opened for reading only, and nothing is made.

    Raises:
        DataError: there is a ledger, and it cannot be read.
    """
    if not path.is_file() or not keys:
        return []
    wanted = [bytes.fromhex(key) for key in keys[:LOOK_UP_KEYS]]
    query = f"SELECT key, model, build_id, seconds, created_at, answer FROM answers WHERE key IN ({_marks(wanted)})"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=1.0)) as connection:
            rows = connection.execute(query, wanted).fetchall()
    except sqlite3.Error as err:
        raise DataError(f"{path}: the ledger cannot be read ({err}); restore it, or move it away") from err
    found = {row[0].hex(): row for row in rows}
    return [_remembered(found[key]) for key in keys if key in found]


def _marks(values: Sequence[bytes]) -> str:
    return ",".join("?" * len(values))


def _remembered(row: tuple[bytes, str, str, float, float, bytes]) -> Remembered:
    key, model, build_id, seconds, created_at, blob = row
    return Remembered(
        key=key.hex(),
        model=model,
        build_id=build_id,
        seconds=seconds,
        created_at=created_at,
        answer=_unpack(blob),
    )


def _pack(answer: Answer) -> bytes:
    data = _encoder.encode(answer)
    if len(data) > COMPRESS_OVER_BYTES:
        return b"z" + zlib.compress(data, 1)
    return b"r" + data


def _unpack(blob: bytes) -> Answer:
    return _decoder.decode(zlib.decompress(blob[1:]) if blob[:1] == b"z" else blob[1:])


class _Waiting(NamedTuple):
    entry: Entry
    future: asyncio.Future[Answer]


class Ledger:
    """Opens, or makes, the ledger at `path`. Close it to wait for the last writes.

    Reads are point look-ups on the caller's thread (microseconds). Writes go to one writer thread, a batch at a time:
    what arrives while a batch is committed makes up the next one. All writes must come from one event loop.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._reader = self._connect()
        try:
            self._writer = self._connect()
        except DataError:
            self._reader.close()
            raise
        self._thread = ThreadPoolExecutor(1, "ledger")
        self.pending: dict[str, asyncio.Future[Answer]] = {}  # requests on their way, by key, whoever asks
        self._asking: list[tuple[Sequence[str], asyncio.Future[dict[str, Answer]]]] = []
        self._waiting: list[_Waiting] = []
        self._committing = False
        self._failure: WriteError | None = None

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.executescript(SCHEMA)
            except sqlite3.DatabaseError:
                connection.close()
                raise
        except sqlite3.DatabaseError as err:
            raise DataError(f"{self.path}: the ledger cannot be opened ({err}); restore it, or move it away") from err
        return connection

    async def find(self, keys: Sequence[str]) -> dict[str, Answer]:
        """The answers that are there, by key. Look-ups of the same turn of the loop share one read transaction."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[dict[str, Answer]] = loop.create_future()
        if not self._asking:
            loop.call_soon(self._look_up)
        self._asking.append((keys, future))
        return await future

    def _look_up(self) -> None:
        asking, self._asking = self._asking, []
        try:
            found = self._found([key for keys, _ in asking for key in keys])
        except sqlite3.Error as err:
            failure = DataError(f"{self.path}: the ledger cannot be read ({err}); restore it, or move it away")
            for _, future in asking:
                if not future.done():
                    future.set_exception(failure)
            return
        for keys, future in asking:
            if not future.done():
                future.set_result({key: found[key] for key in keys if key in found})

    def _found(self, keys: Sequence[str]) -> dict[str, Answer]:
        """One statement for many keys: each statement gives up the interpreter lock and waits to have it back."""
        found = {}
        for start in range(0, len(keys), LOOK_UP_KEYS):
            some = [bytes.fromhex(key) for key in keys[start : start + LOOK_UP_KEYS]]
            padded = some + [None] * (LOOK_UP_KEYS - len(some)) if len(some) > 1 else some
            query = _LOOK_UP_MANY if len(some) > 1 else _LOOK_UP_ONE
            for key, blob in self._reader.execute(query, padded):
                found[key.hex()] = _unpack(blob)
        return found

    def has(self, keys: Iterable[str]) -> int:
        """How many of `keys` have an answer."""
        query = "SELECT 1 FROM answers WHERE key = ?"
        return sum(self._reader.execute(query, (bytes.fromhex(key),)).fetchone() is not None for key in keys)

    def check(self) -> None:
        """Raises WriteError when an earlier write failed: an answer asked for now could not be kept."""
        if self._failure is not None:
            raise self._failure

    async def keep(self, entry: Entry) -> Answer:
        """Return the key's answer once it is on the disk: this one, or the one that was there first.

        Raises:
            WriteError: the disk is full or the file cannot be written; nothing was kept.
        """
        self.check()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append(_Waiting(entry, future))
        if not self._committing:
            self._committing = True
            loop.call_later(GATHER_S, self._commit_waiting, loop)
        return await future

    def _commit_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = self._waiting, []
        written = self._thread.submit(self._write, [waiting.entry for waiting in batch])
        written.add_done_callback(lambda done: loop.call_soon_threadsafe(self._hand_on, loop, batch, done))

    def _hand_on(self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting], done: Future[list[Answer]]) -> None:
        """Wake the rows of a batch. A failed write fails every row that waits, and every later one."""
        err = done.exception()
        if err is not None:
            self._failure = WriteError(f"{self.path}: an answer could not be kept ({err}); free the disk and run again")
            batch = [*batch, *self._waiting]
            self._waiting = []
        for place, (_, future) in enumerate(batch):
            if future.done():  # its row was given up
                continue
            if self._failure is not None:
                future.set_exception(self._failure)
            else:
                future.set_result(done.result()[place])
        if self._waiting:
            self._commit_waiting(loop)
        else:
            self._committing = False

    def spent(self, build_id: str) -> list[Spent]:
        """What `build_id` asked for so far, over all its runs, by model."""
        rows = self._reader.execute(
            "SELECT model, count(*), sum(n_prompt_tokens), sum(n_completion_tokens) FROM answers"
            " WHERE build_id = ? GROUP BY model",
            (build_id,),
        )
        return [Spent(*row) for row in rows]

    def history(self, model: str, sample: int = 10_000) -> History | None:
        """Token counts (10th, 50th and 90th percentile) and seconds of the last `sample` answers, or None."""
        rows = self._reader.execute(
            "SELECT n_completion_tokens, seconds FROM answers WHERE model = ? ORDER BY rowid DESC LIMIT ?",
            (model, sample),
        ).fetchall()
        if not rows:
            return None
        tokens = sorted(row[0] for row in rows)
        seconds = sorted(row[1] for row in rows)
        low, likely, high = (tokens[int(q * (len(tokens) - 1))] for q in (0.1, 0.5, 0.9))
        return History(len(rows), low, likely, high, seconds[len(seconds) // 2])

    def share_as_long(self, model: str, tokens: int, sample: int = 10_000) -> float:
        """The share of the last answers that have at least so many tokens; 0 without any."""
        query = "SELECT n_completion_tokens FROM answers WHERE model = ? ORDER BY rowid DESC LIMIT ?"
        lengths: list[int] = [row[0] for row in self._reader.execute(query, (model, sample))]
        return sum(length >= tokens for length in lengths) / max(1, len(lengths))

    def close(self) -> None:
        self._thread.shutdown()
        self._writer.close()
        self._reader.close()

    def _write(self, entries: list[Entry]) -> list[Answer]:
        """Commit a batch, on the writer thread."""
        rows = [_to_row(entry) for entry in entries]
        before = self._writer.total_changes
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            self._writer.executemany(_INSERT, rows)
            all_new = self._writer.total_changes - before == len(rows)
            kept = [entry.answer if all_new else self._first(entry) for entry in entries]
            self._writer.execute("COMMIT")
        except sqlite3.Error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise
        return kept

    def _first(self, entry: Entry) -> Answer:
        """The answer that is under the entry's key, whoever wrote it."""
        _, blob = self._writer.execute(_LOOK_UP_ONE, (bytes.fromhex(entry.key),)).fetchone()
        return _unpack(blob)


def _to_row(entry: Entry) -> tuple[bytes, str, str, int, int, float, float, bytes]:
    answer = entry.answer
    return (
        bytes.fromhex(entry.key),
        entry.model,
        entry.build_id,
        answer.n_prompt_tokens,
        answer.n_completion_tokens,
        entry.seconds,
        time.time(),
        _pack(answer),
    )
