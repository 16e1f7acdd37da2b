"""What the reports say in numbers: of each stage, and of each group of prompts. Means are over a stage's seeds."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from trainer.evaluate.figures import Figures, Range
from trainer.evaluate.intervals import share_interval
from trainer.report.claims import METRIC
from trainer.report.evaluated import Group, Groups
from trainer.report.stages import Ladder, Stage
from trainer.seeds.compare import Mean, Verdicts, mean_over_runs
from trainer.seeds.evals import verdicts


class Share(msgspec.Struct, frozen=True):
    """Right answers of all with a verdict, over all seeds, with a 95% interval over prompts. Null without a verdict."""

    value: float | None
    interval: Range


class StageFigures(msgspec.Struct, frozen=True, kw_only=True):
    """`by_seed`: the accuracy of each report. `without_verdict`: answers and requests, over all seeds."""

    name: str
    controls: str | None
    by_seed: list[float]
    over_seeds: Mean
    over_prompts: Share
    greedy: Share | None
    pass_at_k: dict[str, float]  # a k that no prompt has answers for is left out
    mean_tokens: float | None
    finished: float | None
    without_verdict: int


class GroupFigures(msgspec.Struct, frozen=True, kw_only=True):
    """`accuracy`: of each stage and control, in their order."""

    labels: tuple[str, ...]
    prompts: int
    floor: float | None
    accuracy: list[Share]


def stage_figures(ladder: Ladder) -> list[StageFigures]:
    """Raises CompareError: a report without a single verdict."""
    return [_stage(stage, ladder.greedy.get(stage.name)) for stage in ladder.all]


def group_figures(ladder: Ladder, groups: Groups) -> list[GroupFigures]:
    ids = sorted(ladder.stages[0].evals[0].rows)  # the order of the columns of `verdicts`
    column = {prompt: place for place, prompt in enumerate(ids)}
    scores = [verdicts(stage.evals, METRIC) for stage in ladder.all]

    def of(group: Group) -> GroupFigures:
        columns = [column[prompt] for prompt in group.prompt_ids]
        return GroupFigures(
            labels=group.labels,
            prompts=len(columns),
            floor=group.floor,
            accuracy=[_share(score, columns) for score in scores],
        )

    return [of(group) for group in groups.groups]


def _stage(stage: Stage, greedy: Stage | None) -> StageFigures:
    totals = [report.total for report in stage.reports]
    values = [one.figure(METRIC) for one in stage.evals]
    return StageFigures(
        name=stage.name,
        controls=stage.controls,
        by_seed=values,
        over_seeds=mean_over_runs(values),
        over_prompts=_share(verdicts(stage.evals, METRIC)),
        greedy=None if greedy is None else _share(verdicts(greedy.evals, METRIC)),
        pass_at_k=_pass_at_k(totals),
        mean_tokens=_mean([total.mean_tokens for total in totals]),
        finished=_mean([total.finished for total in totals]),
        without_verdict=sum(_without_verdict(total) for total in totals),
    )


def _pass_at_k(totals: Sequence[Figures]) -> dict[str, float]:
    shared = [k for k in totals[0].pass_at_k if all(k in total.pass_at_k for total in totals)]
    means = {k: _mean([total.pass_at_k[k].value for total in totals]) for k in sorted(shared, key=int)}
    return {k: mean for k, mean in means.items() if mean is not None}


def _without_verdict(total: Figures) -> int:
    return total.abstained + sum(total.errors.values()) + sum(total.unanswered.values())


def _share(scores: Verdicts, columns: Sequence[int] | None = None) -> Share:
    """Of all prompts, or of those in some columns. A prompt without a verdict tells nothing."""
    right_P, graded_P = scores.right_RP.sum(0), scores.graded_RP.sum(0)
    if columns is not None:
        right_P, graded_P = right_P[columns], graded_P[columns]
    some_P = graded_P > 0
    right_P, graded_P = right_P[some_P], graded_P[some_P]
    interval = share_interval(right_P, graded_P)
    value = float(np.sum(right_P) / np.sum(graded_P)) if len(graded_P) else None
    return Share(value, None if interval is None else (interval.low, interval.high))


def _mean(values: Sequence[float | None]) -> float | None:
    """None where one is missing: the mean of the others would be of other seeds."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if len(there) == len(values) else None
