"""Pictures of reinforcement learning: panels by prefix, histograms as shades, watched KL with its error."""

import numpy as np
import pytest
from matplotlib.collections import QuadMesh

from trainer.cli import main
from trainer.errors import TrainError
from trainer.metrics.heat import step_edges
from trainer.metrics.log import MetricsLog
from trainer.metrics.panels import PANELS, choose_panels
from trainer.metrics.plot import _figure
from trainer.metrics.series import load_runs
from trainer.rlvr.bins import EDGES
from trainer.rlvr.histograms import Histograms

BINS = len(EDGES) - 1
NAMES = (
    *("reward", "reward/std", "reward/verifier", "reward/quality", "reward/penalty_no_end", "correct/math"),
    *("rollouts/tokens", "rollouts/tokens_correct", "groups/drawn", "groups/learnt", "groups/no_gradient"),
    *("groups/all_wrong", "judge/quality/requests", "judge/quality/failed", "judge/quality/abstained", "loss"),
)


def counts_at(step):
    """All tokens at a ratio of 1, but `step` of them beyond the last bin."""
    counts = [0] * BINS
    counts[BINS // 2] = 100 - step
    counts[-1] = step
    return counts


def make_run(folder, steps=(1, 2, 4)):
    folder.mkdir(parents=True)
    with MetricsLog(folder / "metrics.jsonl") as log:
        for step in steps:
            log.write(step, {name: float(step) for name in NAMES})
            log.write(step, {"histogram/ratio": counts_at(step)}, "event")
            log.write(step, {"eval/held@v1/reward": 0.5, "eval/held@v1/kl": 0.1, "eval/held@v1/kl_error": 0.02}, "eval")
    return folder


def there(folder):
    [run] = load_runs([folder])
    return run, {*run.train, *run.evals, *run.histograms}


def test_each_metric_is_in_one_panel_and_none_stands_alone(tmp_path):
    _, names = there(make_run(tmp_path / "rl"))
    panels = choose_panels(names, None)
    shown = [name for panel in panels for name in panel.names]
    assert len(shown) == len(set(shown))
    assert set(shown) == names - {"eval/held@v1/kl_error"}  # drawn with what it is of
    assert all(panel.title not in names for panel in panels)
    by_title = {panel.title: panel.names for panel in panels}
    assert by_title["Reward by judge"] == ("reward/quality", "reward/verifier")
    assert by_title["Taken by penalties"] == ("reward/penalty_no_end",)
    assert by_title["Groups of a batch"] == ("groups/learnt", "groups/drawn", "groups/all_wrong")
    assert by_title["Answers without a verdict"] == ("judge/quality/abstained", "judge/quality/failed")
    assert by_title["KL to the reference, watched"] == ("eval/held@v1/kl",)


def test_labels_are_what_tells_metrics_apart(tmp_path):
    _, names = there(make_run(tmp_path / "rl"))
    labels = {panel.title: panel.labels() for panel in choose_panels(names | {"judge/other/failed"}, None)}
    assert labels["Reward by judge"] == ["quality", "verifier"]
    assert labels["Answers without a verdict"] == ["other/failed", "quality/abstained", "quality/failed"]
    assert labels["Requests to judges"] == ["requests"]


def test_a_histogram_is_read_by_step(tmp_path):
    run, _ = there(make_run(tmp_path / "rl"))
    found = run.histograms["histogram/ratio"]
    assert found.steps.tolist() == [1, 2, 4]
    assert found.counts.shape == (3, BINS)
    assert found.counts[:, -1].tolist() == [1, 2, 4]


def test_its_shades_are_shares_of_the_tokens(tmp_path):
    run, _ = there(make_run(tmp_path / "rl"))
    figure = _figure([run], choose_panels({"histogram/ratio"}, None))
    axes = figure.axes[0]
    [mesh] = [one for one in axes.collections if isinstance(one, QuadMesh)]
    shares = np.ma.filled(mesh.get_array().reshape(BINS, 3), 0.0)
    np.testing.assert_allclose(shares[-1], [0.01, 0.02, 0.04])
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    assert (axes.get_yscale(), axes.get_ylabel(), axes.get_title(loc="left")) == ("log", "ratio", "Ratio of an update")
    ones = mesh.get_coordinates()[:, 0, 1]
    assert ones[BINS // 2] < 1 < ones[BINS // 2 + 1]


@pytest.mark.parametrize(
    ("steps", "edges"), [([3], [2.5, 3.5]), ([1, 2, 4], [0.5, 1.5, 3, 5]), ([10, 20], [5, 15, 25])]
)
def test_a_step_reaches_half_way_to_the_next(steps, edges):
    assert step_edges(np.array(steps, dtype=float)).tolist() == edges


def test_two_runs_have_a_histogram_each_and_one_panel_of_everything_else(tmp_path):
    runs = load_runs([make_run(tmp_path / "a"), make_run(tmp_path / "b", (1, 2, 3, 8))])
    figure = _figure(runs, choose_panels({"reward", "histogram/ratio"}, None))
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert titles == ["Reward of rollouts", "Ratio of an update, a", "Ratio of an update, b"]
    spans = {axes.get_xlim() for axes in figure.axes if axes.get_title(loc="left")}
    assert len(spans) == 1  # the same step stands above the same step


def test_the_watched_kl_has_its_error_and_the_mark_of_its_prompts(tmp_path):
    run, names = there(make_run(tmp_path / "rl"))
    figure = _figure([run], choose_panels(names, ["eval/held@v1/kl"]))
    [axes] = figure.axes
    [bars] = [one for one in axes.collections if not isinstance(one, QuadMesh)]
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    np.testing.assert_allclose(ends, [[0.08, 0.12]] * 3)
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["rl", "evaluation on held@v1"]


def test_what_differs_by_rounding_alone_is_drawn_flat(tmp_path):
    folder = tmp_path / "rl"
    folder.mkdir()
    with MetricsLog(folder / "metrics.jsonl") as log:
        for step in range(5):
            log.write(step, {"sampler/importance": 1.0 - 1e-9 * step})
    [axes] = _figure(load_runs([folder]), choose_panels({"sampler/importance"}, None)).axes
    low, high = axes.get_ylim()
    assert high - low > 0.05


def test_counts_of_other_bins_are_refused(tmp_path):
    folder = make_run(tmp_path / "rl")
    with MetricsLog(folder / "metrics.jsonl") as log:
        log.write(5, {"histogram/ratio": [1, 2, 3]}, "event")
    with pytest.raises(TrainError, match=r"histogram/ratio of step 5: no counts of 25 bins"):
        load_runs([folder])


def test_the_bins_of_the_log_are_those_of_the_picture(world):
    import torch

    histograms = Histograms()
    histograms.add(ratio=torch.tensor([1.0, 1.0, 9.0, 0.1]))
    counts = histograms.read()["ratio"]
    assert (len(counts), counts[BINS // 2], counts[-1], counts[0]) == (BINS, 2, 1, 1)


def test_the_command_draws_it(tmp_path, capsys):
    make_run(tmp_path / "rl.run")
    assert (
        main(["plot", str(tmp_path / "rl"), "--metrics", "histogram,reward/quality", "--out", str(tmp_path / "p")]) == 0
    )
    names = sorted(path.name for path in (tmp_path / "p").iterdir())
    assert names == ["01-reward-quality.png", "02-histogram-ratio.png"]


def test_every_pattern_is_of_names_that_no_other_panel_has():
    names = {name for panel in PANELS for name in panel.names} | set(NAMES)
    panels = choose_panels(names, None)
    shown = [name for panel in panels for name in panel.names]
    assert len(shown) == len(set(shown))
