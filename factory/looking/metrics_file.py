"""metrics.jsonl of a training: one JSON object a line, read on from where it was read to.

The trainer appends whole lines, and puts a new file in place of the old one when a run goes on from a checkpoint.
"""

from __future__ import annotations

import threading
from array import array
from pathlib import Path
from typing import Any

import msgspec

from factory.looking.library import Library
from schemas.errors import CorruptError

FILE = "metrics.jsonl"
FIXED = ("step", "time", "kind")
HISTOGRAM = "histogram/"
MOST_NAMES = 1000  # metrics of one run
AT_ONCE = 4 * 2**20  # bytes


class Series:
    """One metric: its values with their steps."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.steps = array("q")
        self.values = array("d")


class MetricsFile:
    """What a file of metrics holds so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode
        self.read_to = self.lines = self.step = 0
        self.first_time: float | None = None
        self.last_time: float | None = None
        self.series: dict[str, Series] = {}
        self.histograms: dict[str, list[tuple[int, list[int]]]] = {}

    @property
    def size(self) -> int:
        """Of what is held, about, in bytes."""
        counts = sum(len(found) * 400 for found in self.histograms.values())
        return 2000 + counts + sum(200 + 16 * len(one.values) for one in self.series.values())

    def read_on(self) -> None:
        """Raises CorruptError naming the line."""
        with self._lock, self._path.open("rb") as file:
            file.seek(self.read_to)
            while lines := file.readlines(AT_ONCE):
                for line in lines:
                    if not line.endswith(b"\n"):  # still being written
                        return
                    self._add(line)
                    self.read_to += len(line)

    def _add(self, line: bytes) -> None:
        try:
            fields = self._decode(line)
            step, time, kind = int(fields["step"]), float(fields["time"]), str(fields["kind"])
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as err:
            raise CorruptError(
                f"{self._path}:{self.lines + 1}: not a line of metrics ({err}); remove the line"
            ) from err
        self.lines += 1
        self.step = max(self.step, step)
        self.first_time = time if self.first_time is None else self.first_time
        self.last_time = time
        for name, value in fields.items():
            if name not in FIXED:
                self._add_value(name, kind, step, value)

    def _add_value(self, name: str, kind: str, step: int, value: Any) -> None:  # noqa: ANN401 - any JSON value
        if name.startswith(HISTOGRAM) and isinstance(value, list):
            counts = [int(count) for count in value if isinstance(count, int)]
            self.histograms.setdefault(name.removeprefix(HISTOGRAM), []).append((step, counts))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if name not in self.series and len(self.series) >= MOST_NAMES:
                return
            series = self.series.setdefault(name, Series(kind))
            series.steps.append(step)
            series.values.append(value)


def read_metrics(library: Library, run: Path) -> MetricsFile | None:
    """None where nothing was measured yet. Raises CorruptError."""
    path = run / FILE
    if path.is_symlink() or not path.is_file():
        return None
    state = path.stat()
    key = ("metrics", str(path), state.st_ino)
    found = library.memory.get(key, lambda: MetricsFile(path), lambda one: one.size)
    if found.read_to > state.st_size:  # a torn line was cut off
        found = MetricsFile(path)
    found.read_on()
    library.memory.keep(key, found, found.size)
    return found
