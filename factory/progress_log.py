"""Progress for other processes: every two seconds a build appends a JSON object to the file FACTORY_PROGRESS names.

The file stays small: each time it has `MOST_LINES` lines every second one goes, so the past gets coarser with its age.
"""

from __future__ import annotations

import os
import sys
import time
from io import FileIO
from pathlib import Path

import msgspec

from schemas.errors import CorruptError

VARIABLE = "FACTORY_PROGRESS"
EVERY_S = 2.0
MOST_LINES = 1000
LAST_BYTES = 256 * 1024  # no line is as long


class ModelProgress(msgspec.Struct, frozen=True, kw_only=True):
    """What one model was asked so far by this process. `limit`: requests that may be in flight now."""

    model: str
    engine: str
    in_flight: int
    limit: int
    requests: int
    answered: int
    refused: int  # 429
    retried: dict[str, int]  # by kind of failure


class ProgressLine(msgspec.Struct, frozen=True, kw_only=True):
    """Where a build stands. `time`: UTC, seconds since 1970. Rates are over the last ten seconds or so."""

    time: float
    name: str = ""  # "build traces"
    what: str = "rows"  # what the rows of the input are: "prompts"
    rows: int = 0  # of the input
    done: int = 0  # of these, by all runs of the build
    kept: int = 0  # rows made
    rejected: int = 0
    rows_per_s: float = 0.0  # of the input
    prompt_tokens: int = 0  # asked of models by this process
    completion_tokens: int = 0
    prompt_tokens_per_s: float = 0.0
    completion_tokens_per_s: float = 0.0
    in_flight: int = 0  # requests
    models: list[ModelProgress] = []
    spent_usd: float | None = None  # by all runs of the build; None: a price is not known
    budget_usd: float | None = None
    eta_s: float | None = None
    made: str | None = None  # NAME@vN: in the last line, once it is committed


_decoder = msgspec.json.Decoder(ProgressLine)


class ProgressLog:
    """Appends to `path`. What a killed process left torn at its end is dropped.

    Progress is for looking at: a disk that does not take it stops no build, which says so once and goes on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failed = False
        self._lines = _whole_lines(path)
        self._file: FileIO | None = None

    def last(self) -> ProgressLine | None:
        return _decode(self._lines[-1], self._path) if self._lines else None

    def write(self, line: ProgressLine) -> None:
        if self._failed:
            return
        try:
            self._append(msgspec.json.encode(line) + b"\n")
        except OSError as err:
            self._failed = True
            print(f"{self._path}: no progress is written any more ({err.strerror})", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _append(self, data: bytes) -> None:
        is_full = len(self._lines) >= MOST_LINES
        if is_full:
            self._lines = self._lines[::2]
        if is_full or self._file is None:
            self.close()
            self._file = self._rewritten()
        self._lines.append(data)
        self._file.write(data)

    def _rewritten(self) -> FileIO:
        aside = self._path.with_name(f".{self._path.name}.new")
        aside.write_bytes(b"".join(self._lines))
        aside.replace(self._path)
        return self._path.open("ab", buffering=0)


def open_log() -> ProgressLog | None:
    """The log that the environment asks for."""
    path = os.environ.get(VARIABLE)
    return ProgressLog(Path(path)) if path else None


def tell_made(made: str, rows: int) -> None:
    """Note which version came of it, as the last line of the log."""
    log = open_log()
    if log is None:
        return
    last = log.last() or ProgressLine(time=0.0, rows=rows, done=rows, kept=rows)
    still = {"rows_per_s": 0.0, "prompt_tokens_per_s": 0.0, "completion_tokens_per_s": 0.0, "in_flight": 0}
    log.write(msgspec.structs.replace(last, **still, time=time.time(), eta_s=None, made=made))
    log.close()


def read_log(path: Path) -> list[ProgressLine]:
    """The lines, oldest first; none where there is no file. Raises CorruptError for one that is no such line."""
    return [_decode(line, path) for line in _whole_lines(path)]


def read_last(path: Path) -> ProgressLine | None:
    """The last line alone, from the end of the file. Raises CorruptError."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_BYTES))
            lines = _whole(file.read())
    except FileNotFoundError:
        return None
    return _decode(lines[-1], path) if lines else None


def _decode(line: bytes, path: Path) -> ProgressLine:
    try:
        return _decoder.decode(line)
    except msgspec.MsgspecError as err:
        raise CorruptError(f"{path}: holds a line that is no progress ({err}); remove the file") from err


def _whole_lines(path: Path) -> list[bytes]:
    try:
        return _whole(path.read_bytes())
    except FileNotFoundError:
        return []


def _whole(data: bytes) -> list[bytes]:
    return [line for line in data.splitlines(keepends=True) if line.endswith(b"\n")]
