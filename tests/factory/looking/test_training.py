"""Trainings as their folders tell them: states, curves, histograms, and the datasets that they made."""

import fcntl
import json
import math

import pytest

from factory.looking.curves import HALVES, RATIO_EDGES, smoothed, thinned
from factory.looking.training import curves_of, list_runs, run_page
from schemas.datasets import open_version
from schemas.errors import CorruptError, DataError, NotFoundError
from tests.factory.looking.workspace import library, version
from tests.schemas.rows import completion, pass_rate, prompt


def write_run(home, name, lines=(), done=False, **record):
    folder = home / f"{name}.run"
    folder.mkdir(parents=True)
    record = {"recipe": {"kind": "dpo", "max_steps": 90}, "data": [], "paths": {"model": "ckpt/sft"}} | record
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if done:
        (home / name).mkdir()
        (home / name / "config.json").write_text("{}")
        (home / name / "training.json").write_text(json.dumps({**record, "steps": 40}))
    return folder


def step(number, kind="train", **values):
    return {"step": number, "time": 1000.0 + number, "kind": kind, **values}


def panels(page):
    return {panel.title: panel for panel in page.panels}


def test_runs_with_their_states(tmp_path):
    write_run(tmp_path, "ckpt/done", [step(40, loss=0.5)], done=True)
    write_run(tmp_path, "ckpt/stopped", [step(7, loss=1.5, lr=1e-5)])
    running = write_run(tmp_path, "running", [step(90, reward=0.25)])
    (write_run(tmp_path, "a/b/begun") / "metrics.jsonl").unlink()
    (write_run(tmp_path, "broken") / "run.json").write_text("{")
    (tmp_path / "ckpt" / "link.run").symlink_to(tmp_path / "ckpt" / "done.run")
    with (running / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        runs = {run.name: run for run in list_runs(library(tmp_path))}
    assert {name: run.state for name, run in runs.items() if run.problem is None} == {
        "running": "running",
        "ckpt/done": "done",
        "ckpt/stopped": "stopped",
        "a/b/begun": "begun",
    }
    assert (runs["ckpt/done"].step, runs["ckpt/done"].steps, runs["ckpt/stopped"].steps) == (40, 40, 90)
    assert runs["ckpt/stopped"].last == {"loss": 1.5, "lr": 1e-5}
    assert (runs["running"].kind, runs["running"].updated_at) == ("dpo", 1090.0)
    assert "run.json" in runs["broken"].problem
    assert next(iter(runs)) == "running"  # the latest first


def test_curves_stand_in_panels_with_what_belongs_to_them(tmp_path):
    lines = [
        step(n, **{"loss": 1 / n, "loss/dpo": 1 / n, "rewards/chosen": n, "rewards/margins": 2 * n}) for n in (1, 2)
    ]
    lines.append(step(2, "eval", **{"eval/held@v1/loss": 3.0, "eval/held@v1/kl": 0.5, "eval/held@v1/kl_error": 0.1}))
    lines.append(step(2, "event", note="text", strange=[1], is_it=True, own_metric=4))
    write_run(tmp_path, "dpo", lines)
    found = panels(run_page(library(tmp_path), "dpo"))
    assert [curve.name for curve in found["Loss"].curves] == ["loss", "eval/held@v1/loss"]
    assert [curve.kind for curve in found["Loss"].curves] == ["train", "eval"]
    assert found["Loss"].curves[0].steps == [1, 2]
    assert "Terms of the loss" not in found  # the only one
    assert [curve.name for curve in found["Implicit rewards"].curves] == ["rewards/chosen", "rewards/margins"]
    assert found["KL to the reference, watched"].curves[0].errors == [0.1]
    assert (found["own_metric"].unit, list(found)[-1]) == ("value", "own_metric")
    assert {"note", "strange", "is_it"}.isdisjoint(found)


def test_what_is_measured_while_one_looks_is_read_on(tmp_path):
    folder = write_run(tmp_path, "run", [step(1, loss=1.0)])
    shelf = library(tmp_path)
    assert run_page(shelf, "run").line.step == 1
    with (folder / "metrics.jsonl").open("a") as log:
        log.write(json.dumps(step(2, loss=2.0)) + "\n" + '{"step": 3, "ti')
    assert panels(run_page(shelf, "run"))["Loss"].curves[0].values == [1.0, 2.0]
    whole = (folder / "metrics.jsonl").read_text().rpartition("\n")[0] + "\n"
    (folder / "metrics.jsonl").write_text(whole + json.dumps(step(3, loss=3.0)) + "\n")
    assert panels(run_page(shelf, "run"))["Loss"].curves[0].values == [1.0, 2.0, 3.0]
    (folder / "aside").write_text(json.dumps(step(1, loss=9.0)) + "\n")
    (folder / "aside").replace(folder / "metrics.jsonl")
    assert panels(run_page(shelf, "run"))["Loss"].curves[0].values == [9.0]


@pytest.mark.parametrize("line", ["{}", "[1]", "no json", '{"step": "x", "time": 1, "kind": "train"}', "[" * 5000])
def test_a_broken_line_is_named(tmp_path, line):
    folder = write_run(tmp_path, "run", [step(1, loss=1.0)])
    with (folder / "metrics.jsonl").open("a") as log:
        log.write(line + "\n")
    shelf = library(tmp_path)
    for _ in range(2):
        with pytest.raises(CorruptError, match=r"metrics.jsonl:2: "):
            run_page(shelf, "run")
    [run] = list_runs(shelf)
    assert "metrics.jsonl:2" in run.problem


def test_smoothing_is_the_mean_weighed_by_age():
    values = [math.sin(n / 5) + n % 3 for n in range(120)]
    keep = 0.5 ** (HALVES / 120)
    for place in (0, 1, 50, 119):
        weights = [keep ** (place - n) for n in range(place + 1)]
        mean = sum(w * v for w, v in zip(weights, values, strict=False)) / sum(weights)
        assert smoothed(values)[place] == pytest.approx(mean)
    assert smoothed([3.0, 1.0]) == [3.0, 1.0]


def test_thinning_keeps_ends_and_peaks():
    values = [0.0] * 10_000
    values[5_003], values[7_777] = 9.0, -9.0
    places = thinned(values, 100)
    assert len(places) <= 100
    assert places == sorted(set(places))
    assert {0, 5_003, 7_777, 9_999} <= set(places)
    assert thinned(values[:50], 100) == list(range(50))


def test_long_runs_are_thinned(tmp_path):
    write_run(tmp_path, "run", [step(n, loss=n % 7) for n in range(1, 2001)])
    [curve] = panels(run_page(library(tmp_path), "run", points=100))["Loss"].curves
    assert curve.points == 2000
    assert len(curve.steps) == len(curve.values) == len(curve.smooth) <= 100
    assert curve.smooth[-1] == pytest.approx(3.0, abs=0.2)


def test_histograms_of_ratios(tmp_path):
    counts = [0] * 12 + [100] + [0] * 12
    lines = [step(n, "event", **{"histogram/ratio": counts, "histogram/odd": [1, 2]}) for n in range(1, 200)]
    write_run(tmp_path, "run", lines)
    [found] = run_page(library(tmp_path), "run").histograms
    assert (found.name, found.steps[0], found.steps[-1], len(found.steps)) == ("ratio", 1, 199, 60)
    assert found.counts[0] == counts
    assert len(RATIO_EDGES) == 26
    assert (RATIO_EDGES[0], RATIO_EDGES[1], RATIO_EDGES[-2], RATIO_EDGES[-1]) == (None, 0.25, pytest.approx(4), None)
    assert RATIO_EDGES[12] < 1 < RATIO_EDGES[13]


def test_a_run_leads_to_the_data_it_read_and_made(tmp_path):
    rates = version(tmp_path, "rates", [pass_rate(0)])
    sha256 = open_version(rates, tmp_path).manifest.sha256
    data = [{"name": "rates@v1", "sha256": sha256, "weight": 1}, {"name": "gone@v3", "sha256": "0" * 64, "weight": 1}]
    folder = write_run(tmp_path, "ckpt/rl", [step(1, reward=1)], done=True, data=data)
    (folder / "rollouts").mkdir()
    (folder / "rollouts" / "run.json").write_text('{"run_id": "the-run"}')
    for number in (5, 20):
        (folder / "checkpoints" / f"step-{number:08}").mkdir(parents=True)
    (folder / "checkpoints" / "step-00000005" / "COMPLETE").write_text("{}")
    version(tmp_path, "rl-rollouts", [completion(0)], build_id="the-run")
    version(tmp_path, "other-rollouts", [completion(0)], build_id="another")
    version(tmp_path, "rl-prompts", [prompt(0)], build_id="the-run")
    found = run_page(library(tmp_path), "ckpt/rl")
    assert [(link.what, link.ref, link.is_there) for link in found.links] == [
        ("data", "rates@v1", True),
        ("data", "gone@v3", False),
        ("rollouts", "rl-rollouts@v1", True),
    ]
    assert (found.checkpoint, found.checkpoints, found.model) == ("ckpt/rl", [5], "ckpt/sft")


def test_curves_of_several_runs(tmp_path):
    write_run(tmp_path, "a", [step(1, loss=1.0)])
    write_run(tmp_path, "b", [step(1, loss=2.0)])
    found = curves_of(library(tmp_path), ["a", "b"])
    assert {name: panels[0].curves[0].values for name, panels in found.items()} == {"a": [1.0], "b": [2.0]}


@pytest.mark.parametrize("name", ["../x", "nothing", "/etc", "a/../b", ""])
def test_other_folders_are_no_runs(tmp_path, name):
    with pytest.raises(DataError):
        run_page(library(tmp_path), name)
    write_run(tmp_path, "run")
    with pytest.raises(NotFoundError):
        run_page(library(tmp_path, only="data"), "run")
