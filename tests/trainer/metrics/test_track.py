"""Trackers: the table, what is missing is named, and TensorBoard reads back what it was given."""

import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainer.errors import TrainError
from trainer.metrics.track import TRACKERS, Tracked, TrackerName, check_installed, open_tracker, scalars
from trainer.recipe import RunTable

ROOT = Path(__file__).parents[3]


def test_each_tracker_has_an_extra_and_a_place_in_the_recipe():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(TRACKERS) <= extras.keys()
    [allowed, _] = get_args(RunTable.model_fields["track"].annotation)
    assert set(get_args(allowed)) == set(TRACKERS) == set(get_args(TrackerName))


@pytest.mark.parametrize("name", sorted(TRACKERS))
def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)  # what Python does for a module that is not there
    with pytest.raises(TrainError, match=rf"pip install 'synthetic-data-factory\[{name}\]'"):
        open_tracker(name, Tracked(name="run", folder=tmp_path))
    with pytest.raises(TrainError, match=rf"pip install 'synthetic-data-factory\[{name}\]'"):
        check_installed(name)


def test_a_package_that_lacks_another_one_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "trackio.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        open_tracker("trackio", Tracked(name="run", folder=tmp_path))


def test_an_unknown_tracker():
    with pytest.raises(TrainError, match="'comet'; known: mlflow, tensorboard, trackio, wandb"):
        open_tracker("comet", Tracked(name="run", folder=Path()))
    with pytest.raises(TrainError, match="unknown tracker 'comet'"):
        check_installed("comet")
    check_installed("tensorboard")


def test_only_numbers_are_tracked():
    assert scalars({"a": 1, "b": 0.5, "c": "text", "d": [1], "e": True, "f": None}) == {"a": 1.0, "b": 0.5}


def test_tensorboard_reads_the_values_and_a_resumed_run_hides_later_steps(tmp_path):
    run = Tracked(name="run", folder=tmp_path, settings={"optimizer": {"lr": 1e-5}})
    tracker = open_tracker("tensorboard", run)
    for step in (1, 2, 3):
        tracker.log(step, {"loss": 1 / step, "rewards/margins": 0.5})
    tracker.close()
    resumed = open_tracker("tensorboard", Tracked(name="run", folder=tmp_path, resumed_at=2))
    resumed.log(3, {"loss": 0.25})
    resumed.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert sorted(events.Tags()["scalars"]) == ["loss", "rewards/margins"]
    found = [(event.step, event.value) for event in events.Scalars("loss")]
    assert found == [(1, pytest.approx(1.0)), (2, pytest.approx(0.5)), (3, pytest.approx(0.25))]
    assert [event.step for event in events.Scalars("rewards/margins")] == [1, 2]
