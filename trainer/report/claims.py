"""Is a stage better than the one before it? Differences with intervals over prompts and seeds, and verdicts by rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import msgspec

from judges.agreement.bootstrap import Resampling
from judges.agreement.figure import Figure
from trainer.report.stages import Ladder, Stage
from trainer.seeds.compare import Mean, Verdicts, paired_over_prompts, paired_over_seeds
from trainer.seeds.evals import verdicts

METRIC = "accuracy"
HOW = Resampling(resamples=10_000, seed=0)
Verdict = Literal["above", "below", "no difference shown", "cannot be told"]
RULE = (
    "A stage is called above another where the 95% interval of the paired difference over prompts, all seeds pooled, "
    "lies wholly above 0 and, with several seeds, the difference is above 0 in each of them or its 95% interval over "
    "seeds lies wholly above 0. Below is the same on the other side. All else is no difference shown, which does not "
    "say that there is none."
)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Differences are `stage` - `against`, in accuracy. `by_seed`: of each seed; one value where both have one report.

    `is_control`: `stage` is a control.
    """

    stage: str
    against: str
    is_control: bool
    difference: float
    over_prompts: Figure
    over_seeds: Mean
    by_seed: list[float]
    verdict: Verdict


def claims(ladder: Ladder) -> list[Claim]:
    """Each stage against the one before it; each control against its stage, and against the one before that."""
    scores = {stage.name: verdicts(stage.evals, METRIC) for stage in ladder.all}
    return [_claim(ours, theirs, scores) for ours, theirs in _compared(ladder)]


def _compared(ladder: Ladder) -> Iterator[tuple[Stage, Stage]]:
    for theirs, ours in pairwise(ladder.stages):
        yield ours, theirs
    by_name = {stage.name: stage for stage in ladder.stages}
    for control in ladder.controls:
        stage = by_name[control.controls or ""]
        yield control, stage
        if (start := ladder.before(stage.name)) is not None:
            yield control, start


def _claim(ours: Stage, theirs: Stage, scores: Mapping[str, Verdicts]) -> Claim:
    x, y = _paired(_accuracies(ours), _accuracies(theirs))
    over_prompts = paired_over_prompts(scores[ours.name], scores[theirs.name], HOW)
    over_seeds = paired_over_seeds(x, y)
    by_seed = [a - b for a, b in zip(x, y, strict=True)]
    return Claim(
        stage=ours.name,
        against=theirs.name,
        is_control=ours.controls is not None,
        difference=over_seeds.mean,
        over_prompts=over_prompts,
        over_seeds=over_seeds,
        by_seed=by_seed,
        verdict=judge(over_prompts, over_seeds, by_seed),
    )


def judge(over_prompts: Figure, over_seeds: Mean, by_seed: Sequence[float]) -> Verdict:
    """The verdict, by `RULE`. Without an interval over prompts nothing can be told, unless there is no difference."""
    side = _side(over_prompts.low, over_prompts.high)
    if over_prompts.low is None and over_prompts.value:
        return "cannot be told"
    several = len(by_seed) > 1
    agreed = all(value * side > 0 for value in by_seed) or _side(over_seeds.low, over_seeds.high) == side
    if side == 0 or (several and not agreed):
        return "no difference shown"
    return "above" if side > 0 else "below"


def _side(low: float | None, high: float | None) -> int:
    """Of 0, on which an interval lies wholly: 1 above, -1 below, 0 where it holds 0 or there is none."""
    if low is None or high is None:
        return 0
    return (low > 0) - (high < 0)


def _accuracies(stage: Stage) -> list[float]:
    return [one.figure(METRIC) for one in stage.evals]


def _paired(ours: list[float], theirs: list[float]) -> tuple[list[float], list[float]]:
    """By seed. A side with one report is one model, which every seed of the other is compared with."""
    seeds = max(len(ours), len(theirs))
    x, y = (side * seeds if len(side) == 1 else side for side in (ours, theirs))
    return x, y
