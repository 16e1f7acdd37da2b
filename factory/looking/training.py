"""Trainings of a workspace: its folders `*.run`, with what each measured."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from factory.looking import folders
from factory.looking.curves import HistogramLine, Panel, histograms_of, panels_of
from factory.looking.library import Library
from factory.looking.metrics_file import MetricsFile, read_metrics
from schemas.datasets import versions
from schemas.errors import DataError, NotFoundError

State = Literal["done", "running", "stopped", "begun"]
RECORD, LOCK, CHECKPOINTS, COMPLETE = "run.json", "lock", "checkpoints", "COMPLETE"
LAST = ("loss", "reward", "rewards/accuracies", "correct", "entropy", "lr", "tokens_per_s")
LATEST_VERSIONS = 20  # of a dataset, in which what a run made is looked for
_MADE = ("rollouts", "pass-rate", "watched")  # what the names of datasets that a run makes end with
_STEP = re.compile(r"step-([0-9]{8,12})")


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """`name`: the folder below the workspace, without ".run": "ckpt/sft". `last`: a few values of the last steps."""

    name: str
    kind: str  # "sft", "dpo", "rlvr", "reward-model"
    state: State
    step: int
    steps: int | None
    started_at: float | None  # UTC, seconds since 1970
    updated_at: float | None
    data: list[str]
    last: dict[str, float]
    problem: str | None = None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that the run made, or that it read. `is_there`: to be linked."""

    what: str  # "rollouts", "pass-rate", "watched", "data", "held-out"
    ref: str
    is_there: bool


class RunPage(msgspec.Struct, frozen=True, kw_only=True):
    line: RunLine
    recipe: dict[str, Any]
    software: dict[str, str]
    model: str
    reference: str | None
    checkpoint: str | None  # the folder that it made
    checkpoints: list[int]  # steps to go on from
    panels: list[Panel]
    histograms: list[HistogramLine]
    links: list[Link]


def list_runs(library: Library) -> list[RunLine]:
    """The latest first. A damaged one is listed with its problem."""
    held = _held_locks()
    lines = [_listed(library, name, held) for name in folders.runs(library)]
    return sorted(lines, key=lambda line: (-(line.updated_at or 0.0), line.name))


def run_page(library: Library, name: str, *, points: int = 400) -> RunPage:
    """Raises NotFoundError, CorruptError."""
    folder = _folder(library, name)
    record = folders.read_json(folder / RECORD) or {}
    metrics = read_metrics(library, folder)
    return RunPage(
        line=_line(library, name, record, metrics, _held_locks()),
        recipe=_table(record, "recipe"),
        software={str(package): str(version) for package, version in _table(record, "software").items()},
        model=str(_table(record, "paths").get("model", "")),
        reference=_text(_table(record, "paths").get("reference")),
        checkpoint=name if (library.place(name) / folders.CONFIG).is_file() else None,
        checkpoints=_steps_saved(folder / CHECKPOINTS),
        panels=[] if metrics is None else panels_of(metrics, points),
        histograms=[] if metrics is None else histograms_of(metrics),
        links=[*_read(library, record), *_made(library, folder)],
    )


def curves_of(library: Library, names: Sequence[str], *, points: int = 400) -> dict[str, list[Panel]]:
    """The curves of several runs, to draw over each other. Raises as `run_page`."""
    found = {name: read_metrics(library, _folder(library, name)) for name in names}
    return {name: [] if metrics is None else panels_of(metrics, points) for name, metrics in found.items()}


def _folder(library: Library, name: str) -> Path:
    folder = library.place(name + folders.RUN)
    if library.only is not None or not folder.is_dir():
        raise NotFoundError(f"no training {name!r} in this workspace: there is no folder {name}{folders.RUN}")
    return folder


def _listed(library: Library, name: str, held: frozenset[int]) -> RunLine:
    try:
        folder = _folder(library, name)
        return _line(library, name, folders.read_json(folder / RECORD) or {}, read_metrics(library, folder), held)
    except (DataError, OSError) as err:
        return RunLine(
            name=name,
            kind="",
            state="stopped",
            step=0,
            steps=None,
            started_at=None,
            updated_at=None,
            data=[],
            last={},
            problem=str(err),
        )


def _line(
    library: Library, name: str, record: Mapping[str, Any], metrics: MetricsFile | None, held: frozenset[int]
) -> RunLine:
    recipe = _table(record, "recipe")
    done = folders.read_json(library.place(name) / folders.TRAINED)
    steps = recipe.get("max_steps") if done is None else done.get("steps")
    return RunLine(
        name=name,
        kind=str(recipe.get("kind", "")),
        state=_state(library.place(name + folders.RUN), done is not None, metrics, held),
        step=0 if metrics is None else metrics.step,
        steps=steps if isinstance(steps, int) else None,
        started_at=None if metrics is None else metrics.first_time,
        updated_at=None if metrics is None else metrics.last_time,
        data=[str(source["name"]) for source in _sources(record, "data")],
        last={} if metrics is None else _last(metrics),
    )


def _last(metrics: MetricsFile) -> dict[str, float]:
    """Of the metrics that say most, the newest value."""
    return {name: metrics.series[name].values[-1] for name in LAST if name in metrics.series}


def _state(folder: Path, is_done: bool, metrics: MetricsFile | None, held: frozenset[int]) -> State:
    if is_done:
        return "done"
    lock = folder / LOCK
    if lock.is_file() and lock.stat().st_ino in held:
        return "running"
    return "begun" if metrics is None else "stopped"


def _held_locks() -> frozenset[int]:
    """The inodes of files that some process on this machine holds a lock on. Asking for the lock itself could keep a
    training from it."""
    try:
        with open("/proc/locks", encoding="ascii") as locks:
            return frozenset(int(line.split()[5].rpartition(":")[2]) for line in locks if "FLOCK" in line)
    except FileNotFoundError:  # no Linux: a run that is at work is told as stopped
        return frozenset()


def _steps_saved(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    found = ((_STEP.fullmatch(name), folder / name / COMPLETE) for name in os.listdir(folder))
    return sorted(int(match[1]) for match, marker in found if match and marker.is_file())


def _read(library: Library, record: Mapping[str, Any]) -> Iterator[Link]:
    for what, key in (("data", "data"), ("held-out", "held_out")):
        for source in _sources(record, key):
            ref = str(source["name"])
            yield Link(what=what, ref=ref, is_there=_has(library, ref, source.get("sha256")))


def _made(library: Library, folder: Path) -> Iterator[Link]:
    """The versions that were committed under the id of this run."""
    begun = folders.read_json(folder / "rollouts" / RECORD) or {}
    run_id = begun.get("run_id")
    for name in library.names() if run_id else ():
        what = next((one for one in _MADE if name.endswith(f"-{one}")), None)
        if what is not None and (ref := _committed(library, name, run_id)) is not None:
            yield Link(what=what, ref=ref, is_there=True)


def _committed(library: Library, name: str, build_id: object) -> str | None:
    dataset = library.folder(name)
    for number in versions(dataset)[: -LATEST_VERSIONS - 1 : -1]:
        if library.manifest(dataset, number).build_id == build_id:
            return f"{name}@v{number}"
    return None


def _has(library: Library, ref: str, sha256: object) -> bool:
    try:
        return library.version(ref).manifest.sha256 == sha256
    except DataError:
        return False


def _sources(record: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = record.get(key)
    return [one for one in found if isinstance(one, dict) and "name" in one] if isinstance(found, list) else []


def _table(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = record.get(key)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
