"""The metrics of finished or running runs as arrays, one a name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainer.errors import TrainError
from trainer.metrics.log import FILE, MetricLine, read_metrics
from trainer.metrics.track import scalars
from trainer.rlvr.bins import EDGES

Floats = NDArray[np.float64]
RUN_SUFFIX = ".run"  # of a checkpoint's run folder
KINDS = ("train", "eval")
EVAL = "eval/"
HISTOGRAM = "histogram/"  # in lines of kind `event`


class Series(msgspec.Struct, frozen=True):
    """A metric over the steps, in order: two arrays of one length."""

    steps: Floats
    values: Floats


class Histogram(msgspec.Struct, frozen=True):
    """Counts (steps, bins) between `trainer.rlvr.bins.EDGES`, in order of the steps."""

    steps: Floats
    counts: Floats


class RunMetrics(msgspec.Struct, frozen=True):
    """What one run measured: `train[metric]`, `evals[metric][held-out version]` and `histograms[name]`."""

    label: str
    train: dict[str, Series]
    evals: dict[str, dict[str, Series]] = {}
    histograms: dict[str, Histogram] = {}

    def of(self, metric: str) -> list[Series]:
        train = [self.train[metric]] if metric in self.train else []
        return train + list(self.evals.get(metric, {}).values())


def load_runs(paths: Sequence[Path]) -> list[RunMetrics]:
    """Each path: a run's folder, or the checkpoint that it made (whose run folder is CKPT.run).

    Raises:
        TrainError: no metrics.jsonl there, no numbers in it, or a line that cannot be read.
    """
    folders = [run_folder(path) for path in paths]
    return [_load(label, folder) for label, folder in zip(_labels(folders), folders, strict=True)]


def run_folder(path: Path) -> Path:
    candidates = (path, path.with_name(path.name + RUN_SUFFIX))
    found = next((folder for folder in candidates if (folder / FILE).is_file()), None)
    if found is None:
        raise TrainError(f"{path}: no {FILE} there or in {candidates[1]}; give the folder of a run, or its checkpoint")
    return found


def _labels(folders: Sequence[Path]) -> list[str]:
    """Each folder's name; with the folders above it where two are called the same."""
    absolute = [folder.absolute() for folder in folders]
    for depth in range(1, max(len(folder.parts) for folder in absolute)):
        names = ["/".join(folder.parts[-depth:]).removesuffix(RUN_SUFFIX) for folder in absolute]
        if len(set(names)) == len(names):
            return names
    raise TrainError(f"{Counter(folders).most_common(1)[0][0]} is given twice; give each run once")


def _load(label: str, folder: Path) -> RunMetrics:
    lines = list(read_metrics(folder / FILE))
    return msgspec.structs.replace(_run(label, _values(lines, folder)), histograms=_histograms(lines, folder))


def _histograms(lines: Iterable[MetricLine], folder: Path) -> dict[str, Histogram]:
    """Where a step has several, the last one counts. Raises TrainError for counts of other bins than ours."""
    found: dict[str, dict[int, list[float]]] = defaultdict(dict)
    for line in lines:
        for name, counts in line.values.items():
            if line.kind == "event" and name.startswith(HISTOGRAM):
                found[name][line.step] = _counts(counts, f"{folder / FILE}: {name} of step {line.step}")
    return {name: _rows_in_order(rows) for name, rows in found.items()}


def _counts(counts: Any, where: str) -> list[float]:  # noqa: ANN401 - any JSON value
    bins = len(EDGES) - 1
    if not isinstance(counts, list) or len(counts) != bins or not all(type(count) is int for count in counts):
        raise TrainError(f"{where}: no counts of {bins} bins; it was written by another version, so remove those lines")
    return counts


def _rows_in_order(rows: dict[int, list[float]]) -> Histogram:
    steps = sorted(rows)
    return Histogram(np.array(steps, dtype=np.float64), np.array([rows[step] for step in steps], dtype=np.float64))


def _values(lines: Iterable[MetricLine], folder: Path) -> dict[tuple[str, str], dict[int, float]]:
    """(kind, name) -> step -> value. Where a step has several values, the last one counts."""
    found: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for line in lines:
        if line.kind in KINDS:
            for name, value in scalars(line.values).items():
                found[line.kind, name][line.step] = value
    if not found:
        raise TrainError(f"{folder / FILE}: no metrics yet; wait for the first step")
    return found


def _run(label: str, values: dict[tuple[str, str], dict[int, float]]) -> RunMetrics:
    train = {name: _in_order(found) for (kind, name), found in values.items() if kind == "train"}
    evals: dict[str, dict[str, Series]] = defaultdict(dict)
    for (kind, name), found in values.items():
        if kind == "eval":
            metric, version = _parts(name, train)
            evals[metric][version] = _in_order(found)
    return RunMetrics(label, train, dict(evals))


def _parts(name: str, known: Collection[str]) -> tuple[str, str]:
    """eval/held-out@v1/rewards/chosen is rewards/chosen of held-out@v1, where the training has such a metric."""
    ends = [metric for metric in known if name.startswith(EVAL) and name.endswith(f"/{metric}")]
    if not ends:
        return name, ""
    metric = max(ends, key=len)
    return metric, name[len(EVAL) : -len(metric) - 1]


def _in_order(values: dict[int, float]) -> Series:
    steps = sorted(values)
    return Series(np.array(steps, dtype=np.float64), np.array([values[step] for step in steps], dtype=np.float64))


def smooth(values: Floats, half_life: float) -> Floats:
    """The exponentially weighted mean of each value and those before it.

    A value that lies `half_life` values back weighs half of the newest; the weights are divided by their sum, so that
    the first values are not drawn towards zero.
    """
    decay = 0.5 ** (1 / half_life)
    smoothed, above, below = np.empty_like(values), 0.0, 0.0
    for place, value in enumerate(values.tolist()):
        above, below = decay * above + value, decay * below + 1.0
        smoothed[place] = above / below
    return smoothed
