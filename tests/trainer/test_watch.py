"""What a run tells its tracker: the same as its log, from the step that it goes on from."""

import json
from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.trainer.objectives.recipes import BASE
from trainer.options import Options
from trainer.recipe import SftRecipe
from trainer.watch import Watch
from trainer.world import World

ALONE = World(0, 1, torch.device("cpu"))


def options_in(folder: Path, track="tensorboard"):
    recipe = SftRecipe(**BASE, run={"track": track})
    (folder / "sft.run").mkdir(exist_ok=True)
    return Options(data=[], model=folder / "base", out=folder / "sft", recipe=recipe, workspace=folder)


def steps(watch, *numbers):
    for number in numbers:
        watch.step(number, {"loss": 1 / number})


def tracked(folder: Path, name="loss"):
    events = EventAccumulator(str(folder / "sft.run" / "tensorboard")).Reload()
    return [event.step for event in events.Scalars(name)]


def logged(folder: Path):
    return [json.loads(line)["step"] for line in (folder / "sft.run" / "metrics.jsonl").read_text().splitlines()]


def test_a_run_that_was_killed_before_it_saved_shows_each_step_once(tmp_path):
    with Watch(options_in(tmp_path), 4, 0, ALONE) as watch:
        steps(watch, 1, 2, 3)
    with Watch(options_in(tmp_path), 4, 0, ALONE) as watch:
        steps(watch, 1, 2)
    assert (tracked(tmp_path), logged(tmp_path)) == ([1, 2], [1, 2])


def test_a_run_that_goes_on_keeps_what_it_saved(tmp_path):
    with Watch(options_in(tmp_path), 4, 0, ALONE) as watch:
        steps(watch, 1, 2, 3)
    with Watch(options_in(tmp_path), 4, 2, ALONE) as watch:
        steps(watch, 3, 4)
    assert (tracked(tmp_path), logged(tmp_path)) == ([1, 2, 3, 4], [1, 2, 3, 4])


def test_a_tracker_gets_the_numbers_alone(tmp_path):
    with Watch(options_in(tmp_path), 4, 0, ALONE) as watch:
        watch.write(1, {"loss": 0.5, "rows": 8, "lengths": [1, 2]}, "train")
    assert (tracked(tmp_path), tracked(tmp_path, "rows")) == ([1], [1])
    events = EventAccumulator(str(tmp_path / "sft.run" / "tensorboard")).Reload()
    assert sorted(events.Tags()["scalars"]) == ["loss", "rows"]


def test_without_a_tracker_there_is_the_log_alone(tmp_path):
    with Watch(options_in(tmp_path, None), 4, 0, ALONE) as watch:
        steps(watch, 1)
    assert [path.name for path in (tmp_path / "sft.run").iterdir()] == ["metrics.jsonl"]
