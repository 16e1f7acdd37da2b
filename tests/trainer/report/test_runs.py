"""Curves and costs of runs, by hand, and which stage a run belongs to."""

import pytest

from tests.trainer.report.made import first
from trainer.metrics.series import load_runs
from trainer.report.curves import curves
from trainer.report.runs import RunGroup


def trained(*values, name="loss", start=100.0):
    """A step a second, each of half a second and 10 tokens."""
    return [
        (step, start + step, "train", {name: value, "seconds": 0.5, "tokens": 10.0, "trained_tokens": 5.0})
        for step, value in enumerate(values, 1)
    ]


def curve_of(kind, *folders):
    return curves([RunGroup(name="rlvr", kind=kind, folders=[], metrics=load_runs(folders))])


def test_several_seeds_have_a_mean_at_the_steps_that_all_have(space, tmp_path):
    one = tmp_path / space.run("one", "sft", trained(1.0, 2.0, 3.0))
    two = tmp_path / space.run("two", "sft", trained(3.0, 6.0))
    [found] = curve_of("sft", one, two)
    assert (found.kind, found.names, [panel.title for panel in found.panels]) == ("SFT", ["rlvr"], ["Loss"])
    [line] = found.panels[0].lines
    assert [seed.values.tolist() for seed in line.seeds] == [[1.0, 2.0, 3.0], [3.0, 6.0]]
    assert (line.mean.steps.tolist(), line.mean.values.tolist()) == ([1.0, 2.0], [2.0, 4.0])


def test_watched_prompts_have_panels_of_their_own(space, tmp_path):
    watched = {"eval/held@v1/reward": 0.5, "eval/held@v1/kl": 2.0, "eval/held@v1/kl_error": 0.1}
    lines = [(0, 100.0, "eval", watched), *trained(0.25, name="reward")]
    [found] = curve_of("rlvr", tmp_path / space.run("rl", "rlvr", lines))
    shown = {panel.title: panel.lines[0].mean.values.tolist() for panel in found.panels}
    assert shown == {
        "Reward of rollouts": [0.25],
        "Reward on watched prompts": [0.5],
        "KL on watched prompts": [2.0],
    }


def test_a_long_run_is_smoothed(space, tmp_path):
    [found] = curve_of("sft", tmp_path / space.run("long", "sft", trained(*[0.0, 1.0] * 60)))
    values = found.panels[0].lines[0].mean.values
    assert 0.2 < values[60:].min() < values[60:].max() < 0.8


def test_a_run_belongs_to_the_stage_whose_checkpoint_it_made(space):
    sft = [space.evaluation(f"sft{n}", first(20 + n, of=40), model=f"ckpt/sft-{n}") for n in (0, 1)]
    runs = [space.run(f"ckpt/sft-{n}", "sft", trained(*[1.0] * (n + 2))) for n in (0, 1)]
    other = space.run("ckpt/reward", "reward", trained(1.0))
    named = space.run("elsewhere", "sft", trained(*[1.0] * 4))
    words = [f"sft={','.join(sft)}", f"longer={space.evaluation('longer', first(1, of=40))}"]
    found = space.numbers(*words, "--runs", "ckpt/sft-0", runs[1], other, f"longer={named}")["costs"]
    assert [(cost["name"], cost["training"] and cost["training"]["runs"]) for cost in found] == [
        ("sft", 2),
        ("longer", 1),
        ("reward", 1),
    ]
    training = found[0]["training"]
    # two and three steps: 1 s and 2 s between their lines, and half a second of the first step
    assert (training["steps"], training["seconds"], training["tokens"]) == (2.5, 2.0, 25.0)
    assert found[0]["evaluation"] == {"reports": 2, "seconds": 30.0, "answers": 40.0}
    assert found[2]["evaluation"] is None


def test_what_rlvr_drew_is_counted_over_all_batches_and_runs(space):
    def run(name, *batches):
        values = [{"loss": 0.0, "groups/drawn": drawn, "groups/no_gradient": share} for drawn, share in batches]
        return space.run(name, "rlvr", [(step, float(step), "train", each) for step, each in enumerate(values, 1)])

    rl = ",".join(space.evaluation(f"rl{n}", first(20, of=40)) for n in (0, 1))
    runs = f"rl={run('one', (8.0, 0.5), (2.0, 0.0))},{run('two', (10.0, 0.1))}"
    [cost] = space.numbers(f"rl={rl}", "--runs", runs)["costs"]
    assert cost["training"]["groups"] == 10.0  # of each run
    assert cost["training"]["no_gradient"] == pytest.approx((4 + 0 + 1) / 20)
    page, _ = space.report(f"rl={rl}", "--runs", runs)
    assert "without a gradient" in page
    assert "25.0%" in page
    page, _ = space.report(f"rl={rl}", "--runs", f"rl={space.run('sft', 'sft', trained(1.0))}")
    assert "without a gradient" not in page


def test_memory_is_shown_where_it_was_logged(space):
    base = f"base={space.evaluation('base', first(20, of=40))}"
    first_line = (1, 1.0, "train", {"loss": 1.0, "gpu_gib": 3.5})
    with_memory = [first_line, (2, 2.0, "train", {"loss": 1.0, "gpu_gib": 4.25, "host_gib": 1.5})]
    page, _ = space.report(base, "--runs", f"base={space.run('run', 'sft', with_memory)}")
    assert "GPU memory, peak" in page
    assert "4.2 GiB" in page
    assert "1.5 GiB" in page
    page, _ = space.report(base, "--runs", f"base={space.run('other', 'sft', trained(1.0))}")
    assert "memory, peak" not in page


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda space: "nothing", "no metrics.jsonl there"),
        (lambda space: space.run("empty", "sft", []), "no metrics yet"),
        (lambda space: space.run("odd", "dance", trained(1.0)), "a training of kind 'dance'"),
        (lambda space: _without_record(space), "run.json: cannot be read"),
        (lambda space: f"a={space.run('x', 'sft', trained(1.0))},{space.run('y', 'dpo', trained(1.0))}", "two kinds"),
        (lambda space: f"a={(run := space.run('x', 'sft', trained(1.0)))},{run}", "given twice"),
    ],
)
def test_runs_that_cannot_be_shown(space, prepare, said):
    base = space.evaluation("base", first(20, of=40))
    assert said in space.refused(f"base={base}", "--runs", prepare(space))


def _without_record(space):
    run = space.run("bare", "sft", trained(1.0))
    (space.home / "bare.run" / "run.json").unlink()
    return run
