"""Training curves: a panel for each metric of a kind of training, with a line for each seed and their mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

import msgspec
import numpy as np

from trainer.metrics.series import EVAL, RunMetrics, Series, smooth
from trainer.report.runs import KINDS, RunGroup

FEW = 40  # values: a line through them needs no smoothing
HALF_LIVES = 60  # in a run


class Metric(msgspec.Struct, frozen=True):
    """`watched`: measured on held-out or watched prompts, not on what is trained on."""

    title: str
    unit: str
    name: str
    watched: bool = False


LOSS = Metric("Loss", "what is minimised", "loss")
PAIRS = (
    LOSS,
    Metric("Reward margin", "chosen - rejected", "rewards/margins"),
    Metric("Pairs in the right order", "share", "rewards/accuracies"),
    Metric("Held-out pairs in the right order", "share", "rewards/accuracies", watched=True),
)
METRICS: dict[str, tuple[Metric, ...]] = {
    "sft": (LOSS, Metric("Held-out loss", "the same on other rows", "loss", watched=True)),
    "dpo": PAIRS,
    "reward": PAIRS,
    "rlvr": (
        Metric("Reward of rollouts", "mean reward", "reward"),
        Metric("Reward on watched prompts", "mean reward", "reward", watched=True),
        Metric("KL on watched prompts", "nats an answer", "kl", watched=True),
        Metric("KL of rollouts (k3)", "nats a token", "reference/kl_k3"),
        Metric("Entropy", "nats a token", "entropy"),
        Metric("Groups without a gradient", "share", "groups/no_gradient"),
        Metric("Length of rollouts", "tokens", "rollouts/tokens"),
        Metric("Rollouts that came to an end", "share", "rollouts/ended"),
    ),
}


class Line(msgspec.Struct, frozen=True):
    """`seeds`: of each run, smoothed where it is long. `mean`: over all seeds, at the steps that all of them have."""

    name: str
    seeds: list[Series]
    mean: Series


class Panel(msgspec.Struct, frozen=True):
    title: str
    unit: str
    lines: list[Line]


class Curves(msgspec.Struct, frozen=True):
    """Of all runs of one kind. `names`: of the stages that have one."""

    kind: str
    names: list[str]
    panels: list[Panel]


def curves(groups: Sequence[RunGroup]) -> list[Curves]:
    """A metric that no run of a kind has is left out, and a run that lacks it is not in its panel."""
    found = []
    for kind, title in KINDS.items():
        members = [group for group in groups if group.kind == kind]
        if members:
            panels = [panel for metric in METRICS[kind] if (panel := _panel(metric, members)).lines]
            found.append(Curves(title, [group.name for group in members], panels))
    return found


def _panel(metric: Metric, groups: Sequence[RunGroup]) -> Panel:
    return Panel(metric.title, metric.unit, list(_lines(metric, groups)))


def _lines(metric: Metric, groups: Sequence[RunGroup]) -> Iterator[Line]:
    for group in groups:
        series = [found for run in group.metrics if (found := _series(run, metric)) is not None]
        if series:
            yield Line(group.name, list(map(_smoothed, series)), _smoothed(mean_series(series)))


def _series(run: RunMetrics, metric: Metric) -> Series | None:
    if not metric.watched:
        return run.train.get(metric.name)
    found = run.evals.get(metric.name, {})
    if not found:  # a metric that is only watched stands under its whole name
        found = {name: each[""] for name, each in run.evals.items() if _is_of(name, metric)}
    return found[min(found)] if found else None


def _is_of(name: str, metric: Metric) -> bool:
    return name.startswith(EVAL) and name.endswith(f"/{metric.name}")


def mean_series(series: Sequence[Series]) -> Series:
    """At the steps that are in all of them."""
    steps = reduce(np.intersect1d, [each.steps for each in series])
    values = [each.values[np.isin(each.steps, steps)] for each in series]
    return Series(steps, np.mean(values, axis=0))


def _smoothed(series: Series) -> Series:
    """The exponentially weighted mean; see `trainer plot`."""
    if len(series.values) < FEW:
        return series
    return Series(series.steps, smooth(series.values, max(len(series.values) / HALF_LIVES, 1.0)))
