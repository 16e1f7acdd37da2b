"""Trackers: what metrics.jsonl gets, in a tool with a page of its own.

All stay on this machine, unless their own environment variables say otherwise: WANDB_MODE=online, TRACKIO_SPACE_ID
or TRACKIO_SERVER_URL, MLFLOW_TRACKING_URI.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from trainer.errors import TrainError

PROJECT = "synthetic-data-factory"
TrackerName = Literal["mlflow", "tensorboard", "trackio", "wandb"]  # package and extra are called the same


class Tracked(msgspec.Struct, frozen=True, kw_only=True):
    """The run as a tracker is told of it."""

    name: str
    folder: Path  # the run's own; local trackers write below it
    settings: dict[str, Any] = {}  # the resolved recipe
    resumed_at: int | None = None  # the step that a resumed run goes on from; 0: killed before it saved anything


class Tracker(Protocol):
    def log(self, step: int, values: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in RUN/tensorboard."""

    def __init__(self, run: Tracked) -> None:
        _need("tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        # What an earlier process wrote of later steps is hidden.
        purge_step = None if run.resumed_at is None else run.resumed_at + 1
        folder = str(run.folder / "tensorboard")
        self._writer = SummaryWriter(folder, purge_step=purge_step)
        self._writer.add_text("recipe", _code_block(run.settings))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class Trackio:
    """Trackio's local database, in TRACKIO_DIR."""

    def __init__(self, run: Tracked) -> None:
        self._trackio = _need("trackio")
        with redirect_stdout(sys.stderr):  # it says where it writes; our own output may be JSON
            self._run = self._trackio.init(
                project=PROJECT,
                name=run.name,
                config=run.settings,
                resume="never" if run.resumed_at is None else "allow",
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        with redirect_stdout(sys.stderr):
            self._trackio.finish()


class Wandb:
    """An offline run in RUN/wandb, for `wandb sync`; a resumed run adds another to its group."""

    def __init__(self, run: Tracked) -> None:
        mode = os.environ.get("WANDB_MODE", "offline")
        if mode == "offline":
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when the package is imported
        self._run = _need("wandb").init(
            project=PROJECT, name=run.name, group=run.name, dir=str(run.folder), config=run.settings, mode=mode
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class MLflow:
    """A database in RUN/mlflow.db; a resumed run adds another run of its name."""

    def __init__(self, run: Tracked) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when the package is imported
        self._mlflow = _need("mlflow")
        if "MLFLOW_TRACKING_URI" not in os.environ:
            self._mlflow.set_tracking_uri(f"sqlite:///{(run.folder / 'mlflow.db').absolute()}")
        self._mlflow.set_experiment(PROJECT)
        self._mlflow.start_run(run_name=run.name)
        self._mlflow.log_params(_flat(run.settings))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._mlflow.log_metrics(dict(values), step=step)

    def close(self) -> None:
        self._mlflow.end_run()


TRACKERS: dict[str, Callable[[Tracked], Tracker]] = {
    "mlflow": MLflow,
    "tensorboard": TensorBoard,
    "trackio": Trackio,
    "wandb": Wandb,
}


def open_tracker(name: str, run: Tracked) -> Tracker:
    """Raises TrainError: no such tracker, or its package is not installed."""
    _check_known(name)
    return TRACKERS[name](run)


def check_installed(name: str) -> None:
    """The same, before a run has done anything, and without an import."""
    _check_known(name)
    if find_spec(name) is None:
        raise _missing(name)


def scalars(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among the values of a line of metrics."""
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _check_known(name: str) -> None:
    if name not in TRACKERS:
        raise TrainError(f"unknown tracker {name!r}; known: {', '.join(sorted(TRACKERS))}")


def _need(name: str) -> Any:  # noqa: ANN401 - a module without types
    try:
        return import_module(name)
    except ModuleNotFoundError as err:
        if err.name != name:
            raise
        raise _missing(name) from err


def _missing(name: str) -> TrainError:
    return TrainError(
        f"tracker {name}: the package {name} is not installed: pip install 'synthetic-data-factory[{name}]'"
    )


def _code_block(settings: dict[str, Any]) -> str:
    text = msgspec.json.format(msgspec.json.encode(settings)).decode()
    return "\n".join(f"    {line}" for line in text.splitlines())


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} is {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{above}{name}.") if isinstance(value, Mapping) else {f"{above}{name}": value}
    return flat
