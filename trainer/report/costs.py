"""What each stage took: of its training, by the log of the run, and of its evaluation, by its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from trainer.metrics.log import FILE, read_metrics
from trainer.metrics.series import RunMetrics
from trainer.report.runs import RunGroup
from trainer.report.stages import Ladder, Stage

DRAWN, NO_GRADIENT = "groups/drawn", "groups/no_gradient"  # docs/metrics.md


class TrainingCost(msgspec.Struct, frozen=True, kw_only=True):
    """Means over the runs. `seconds`: by the clock, from the start of the first step to the last line.

    `tokens` went through the model; null where a run did not log them. `groups`: those that RLVR drew, each the
    answers to one prompt; `no_gradient`: the share of them whose rewards are all equal. `host_gib` and `gpu_gib`:
    the most of any run, where runs logged it.
    """

    runs: int
    steps: float
    seconds: float
    tokens: float | None
    trained_tokens: float | None
    groups: float | None
    no_gradient: float | None
    host_gib: float | None
    gpu_gib: float | None


class EvalCost(msgspec.Struct, frozen=True, kw_only=True):
    """Means over the reports. `seconds`: of the run that finished the report."""

    reports: int
    seconds: float
    answers: float


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    training: TrainingCost | None
    evaluation: EvalCost | None


def costs(ladder: Ladder, groups: Sequence[RunGroup]) -> list[Cost]:
    """Of each stage and control, then of the runs that belong to none."""
    by_name = {group.name: group for group in groups}
    found = [
        Cost(name=stage.name, training=_training(by_name.pop(stage.name, None)), evaluation=_evaluation(stage))
        for stage in ladder.all
    ]
    return found + [Cost(name=name, training=_training(group), evaluation=None) for name, group in by_name.items()]


def _training(group: RunGroup | None) -> TrainingCost | None:
    if group is None:
        return None
    runs = group.metrics
    return TrainingCost(
        runs=len(runs),
        steps=_mean([float(max(each.steps[-1] for each in run.train.values())) for run in runs]),
        seconds=_mean([_seconds(folder) for folder in group.folders]),
        tokens=_summed(runs, "tokens"),
        trained_tokens=_summed(runs, "trained_tokens"),
        groups=_summed(runs, DRAWN),
        no_gradient=_no_gradient(runs),
        host_gib=_most(runs, "host_gib"),
        gpu_gib=_most(runs, "gpu_gib"),
    )


def _seconds(folder: Path) -> float:
    """Between the first line of a step and the last line, and the first step's own."""
    lines = list(read_metrics(folder / FILE))
    first = next((line for line in lines if line.kind == "train"), lines[0])
    return lines[-1].time - first.time + float(first.values.get("seconds", 0.0))


def _summed(runs: Sequence[RunMetrics], metric: str) -> float | None:
    sums = [float(run.train[metric].values.sum()) for run in runs if metric in run.train]
    return _mean(sums) if len(sums) == len(runs) else None


def _no_gradient(runs: Sequence[RunMetrics]) -> float | None:
    """Of all groups of all runs: a batch that drew more counts more."""
    if not all(DRAWN in run.train and NO_GRADIENT in run.train for run in runs):
        return None
    drawn = sum(float(run.train[DRAWN].values.sum()) for run in runs)
    in_vain = sum(float(run.train[DRAWN].values @ run.train[NO_GRADIENT].values) for run in runs)
    return in_vain / drawn if drawn else None


def _most(runs: Sequence[RunMetrics], metric: str) -> float | None:
    return max((float(run.train[metric].values.max()) for run in runs if metric in run.train), default=None)


def _evaluation(stage: Stage) -> EvalCost:
    return EvalCost(
        reports=len(stage.reports),
        seconds=_mean([report.run.seconds for report in stage.reports]),
        answers=_mean([float(report.total.answers) for report in stage.reports]),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
