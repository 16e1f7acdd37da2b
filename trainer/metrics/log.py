"""metrics.jsonl: what a run measured, one JSON object a line. One process writes it; anybody may read."""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import msgspec

from schemas.errors import WriteError
from trainer.errors import TrainError
from trainer.files import sync_folder

FILE = "metrics.jsonl"
Kind = Literal["train", "eval", "event"]
Value = float | int | str | list[Any]
BLOCK = 65536  # bytes read at a time when the last line break is looked for
FIXED = frozenset({"step", "time", "kind"})  # of every line; no metric may take their names


class MetricsError(TrainError):
    """A metric that is no number any more, or a log that cannot be read."""


class MetricLine(msgspec.Struct, frozen=True):
    """One line. `time`: UTC, seconds since 1970."""

    step: int
    time: float
    kind: str
    values: dict[str, Any]


class MetricsLog:
    """Appends to `path`. A last line that a killed process left torn is cut off when the log is opened."""

    def __init__(self, path: str | Path) -> None:
        """Raises WriteError: `path` cannot be opened for writing."""
        self.path = Path(path)
        self._file = self._open()

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_begun(self) -> bool:
        """Whether there are lines, of this process or of an earlier one."""
        return self.path.stat().st_size > 0

    def write(self, step: int, values: Mapping[str, Value], kind: Kind = "train") -> None:
        """One line, which other processes see at once. Numbers are plain Python numbers.

        Raises:
            MetricsError: a metric is NaN or infinite (training has gone wrong), or is called "step", "time" or "kind".
            WriteError: no space left, or the like.
        """
        _check(self.path, step, values)
        line = msgspec.json.encode({"step": step, "time": round(time.time(), 3), "kind": kind, **values}) + b"\n"
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as err:
            raise _cannot_write(self.path, err) from err

    def sync(self) -> None:
        """Wait until all lines are on the disk."""
        try:
            os.fsync(self._file.fileno())
        except OSError as err:
            raise _cannot_write(self.path, err) from err

    def truncate_after(self, step: int) -> None:
        """Drop the lines of later steps: a run that goes on from a checkpoint at `step` writes them again.

        Whoever is killed here leaves the old log or the new one.
        """
        if all(line.step <= step for line in read_metrics(self.path)):
            return
        self._file.close()
        rewritten = self.path.with_name(f".{self.path.name}.new")
        try:
            with rewritten.open("wb") as out:
                out.writelines(raw for raw, line in _whole_lines(self.path) if line.step <= step)
                out.flush()
                os.fsync(out.fileno())
            rewritten.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as err:
            raise _cannot_write(self.path, err) from err
        self._file = self._open()

    def close(self) -> None:
        self._file.close()

    def _open(self) -> io.FileIO:
        try:
            _cut_torn_line(self.path)
            return self.path.open("ab", buffering=0)
        except OSError as err:
            raise _cannot_write(self.path, err) from err


def read_metrics(path: str | Path) -> Iterator[MetricLine]:
    """Yields the lines of a log. A last line without its line break is torn, and left out.

    Raises:
        MetricsError: the file cannot be read, or another line is broken; names the line.
    """
    return (line for _, line in _whole_lines(Path(path)))


def _whole_lines(path: Path) -> Iterator[tuple[bytes, MetricLine]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield line, _decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
                    raise MetricsError(f"{path}:{number}: not a line of metrics ({err}); remove the line") from err
    except OSError as err:
        raise MetricsError(f"{path}: cannot be read ({err.strerror})") from err


def _decode(line: bytes) -> MetricLine:
    values = msgspec.json.decode(line, type=dict[str, Any])
    fixed = {name: values.pop(name) for name in FIXED & values.keys()}
    return msgspec.convert({**fixed, "values": values}, MetricLine)


def _check(path: Path, step: int, values: Mapping[str, Value]) -> None:
    taken = FIXED & values.keys()
    if taken:
        raise MetricsError(f"{path}: no metric may be called {min(taken)!r}")
    for name, value in values.items():
        if wrong := next((number for number in _floats(value) if not math.isfinite(number)), None):
            raise MetricsError(
                f"{path}: {name} is {wrong} at step {step}; lower the learning rate, or look at the rows of that step"
            )


def _floats(value: Value) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _floats(item)


def _cut_torn_line(path: Path) -> None:
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = kept = file.seek(0, os.SEEK_END)
        while kept:
            start = max(kept - BLOCK, 0)
            file.seek(start)
            found = file.read(kept - start).rfind(b"\n")
            kept = start + found + 1
            if found >= 0:
                break
        if kept < end:
            file.truncate(kept)


def _cannot_write(path: Path, err: OSError) -> WriteError:
    return WriteError(f"{path}: cannot be written ({err.strerror}); what was written before is whole")
