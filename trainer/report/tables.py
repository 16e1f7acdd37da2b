"""The findings as tables of words, for the page and for stdout."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trainer.evaluate.figures import Range
from trainer.metrics.progress import duration
from trainer.report.claims import Claim
from trainer.report.costs import Cost
from trainer.report.figures import GroupFigures, Share, StageFigures
from trainer.report.findings import About, Findings

NONE = "-"
WHERE_LOGGED = {
    "groups": "groups drawn",
    "no_gradient": "without a gradient",
    "host_gib": "memory, peak",
    "gpu_gib": "GPU memory, peak",
}


class Table(msgspec.Struct, frozen=True):
    """`columns`: name and side, "left" or "right". The first cell of a row names it."""

    caption: str
    columns: list[tuple[str, str]]
    rows: list[list[str]]


def ladder_table(found: Findings) -> Table:
    """A row for each comparison; what is said once of a stage stands in its first."""
    rows = []
    for stage in found.stages:
        compared = [claim for claim in found.claims if claim.stage == stage.name]
        rows += _ladder_rows(stage, compared)
    return Table(
        caption=f"Accuracy and differences, with 95% intervals; {_sampled(found.about)}",
        columns=[
            ("stage", "left"),
            ("accuracy, over prompts", "left"),
            ("compared with", "left"),
            ("verdict", "left"),
            ("difference", "right"),
            ("over prompts", "left"),
            ("over seeds", "left"),
            ("accuracy of each seed", "left"),
            ("difference of each seed", "left"),
        ],
        rows=rows,
    )


def _ladder_rows(stage: StageFigures, compared: Sequence[Claim]) -> list[list[str]]:
    name = stage.name if stage.controls is None else f"{stage.name} (control)"
    accuracy = f"{percent(stage.over_seeds.mean)} {interval(stage.over_prompts.interval)}"
    seeds = ", ".join(map(percent, stage.by_seed)) if len(stage.by_seed) > 1 else NONE
    if not compared:
        return [[name, accuracy, *[NONE] * 5, seeds, NONE]]
    return [
        [name, "" if place else accuracy, *_claim(claim), "" if place else seeds, _by_seed(claim)]
        for place, claim in enumerate(compared)
    ]


def _claim(claim: Claim) -> list[str]:
    prompts, seeds = claim.over_prompts, claim.over_seeds
    return [
        claim.against,
        claim.verdict,
        points(claim.difference),
        point_range(prompts.low, prompts.high),
        point_range(seeds.low, seeds.high),
    ]


def _by_seed(claim: Claim) -> str:
    return ", ".join(map(points, claim.by_seed)) if len(claim.by_seed) > 1 else NONE


def sentence(claim: Claim) -> str:
    """A comparison in plain words."""
    ours = f"{claim.stage}, a control," if claim.is_control else claim.stage
    said = {
        "above": f"{ours} is above {claim.against}",
        "below": f"{ours} is below {claim.against}",
        "no difference shown": f"no difference shown between {ours} and {claim.against}",
        "cannot be told": f"{ours} and {claim.against} cannot be told apart: {claim.over_prompts.reason}",
    }[claim.verdict]
    prompts = claim.over_prompts
    over = f"{points(claim.difference)} points {point_range(prompts.low, prompts.high)} over prompts"
    if len(claim.by_seed) == 1:
        return f"{said}: {over}; one seed, and another may turn it round"
    up = sum(value > 0 for value in claim.by_seed)
    return f"{said}: {over}; above in {up} of {len(claim.by_seed)} seeds"


def stage_table(stages: Sequence[StageFigures]) -> Table:
    """Everything of a stage but its accuracy."""
    ks = list(dict.fromkeys(k for stage in stages for k in stage.pass_at_k))
    return Table(
        caption="pass@k, greedy accuracy and lengths; means over seeds",
        columns=[
            ("stage", "left"),
            *((f"pass@{k}", "right") for k in ks),
            ("greedy", "left"),
            ("tokens an answer", "right"),
            ("finished", "right"),
            ("without a verdict", "right"),
        ],
        rows=[
            [
                shown_name(stage),
                *(percent(stage.pass_at_k.get(k)) for k in ks),
                NONE if stage.greedy is None else share(stage.greedy),
                number(stage.mean_tokens),
                percent(stage.finished),
                f"{stage.without_verdict:,}",
            ]
            for stage in stages
        ],
    )


def group_table(found: Findings) -> Table:
    return Table(
        caption=f"Accuracy by {' and '.join(found.keys)}, with 95% intervals over prompts",
        columns=[
            ("group", "left"),
            ("prompts", "right"),
            ("guess floor", "right"),
            *((shown_name(stage), "left") for stage in found.stages),
        ],
        rows=[
            [group_name(group), f"{group.prompts:,}", percent(group.floor), *map(share, group.accuracy)]
            for group in found.groups
        ],
    )


def cost_table(costs: Sequence[Cost]) -> Table:
    """Groups and memory are columns where any run logged them."""
    logged = [name for name in WHERE_LOGGED if any(_logged(cost, name) is not None for cost in costs)]
    return Table(
        caption="What each stage took; means over its runs and its reports",
        columns=[
            ("stage", "left"),
            ("runs", "right"),
            ("steps", "right"),
            ("training", "right"),
            ("tokens", "right"),
            ("trained tokens", "right"),
            *((WHERE_LOGGED[name], "right") for name in logged),
            ("evaluation", "right"),
            ("answers", "right"),
        ],
        rows=[_cost(cost, logged) for cost in costs],
    )


def _logged(cost: Cost, name: str) -> float | None:
    value: float | None = None if cost.training is None else getattr(cost.training, name)
    return value


def _cost(cost: Cost, logged: Sequence[str]) -> list[str]:
    training, evaluation = cost.training, cost.evaluation
    cells = [NONE] * 5
    if training is not None:
        tokens = [whole(training.tokens), whole(training.trained_tokens)]
        cells = [f"{training.runs}", whole(training.steps), duration(training.seconds), *tokens]
    shown = {"groups": whole, "no_gradient": percent}
    cells += [shown.get(name, gibibytes)(_logged(cost, name)) for name in logged]
    if evaluation is None:
        return [cost.name, *cells, NONE, NONE]
    return [cost.name, *cells, duration(evaluation.seconds), whole(evaluation.answers)]


def model_table(about: About) -> Table:
    return Table(
        caption="The models and their reports",
        columns=[
            (name, "left") for name in ("stage", "report", "model", "revision", "engine", "seed of answers", "made at")
        ],
        rows=[
            [one.stage, one.file, one.model, one.revision[:12], one.engine, f"{one.seed}", one.created_at]
            for one in about.models
        ],
    )


def shown_name(stage: StageFigures) -> str:
    return stage.name if stage.controls is None else f"{stage.name} (control of {stage.controls})"


def group_name(group: GroupFigures) -> str:
    return ", ".join(group.labels)


def percent(value: float | None) -> str:
    return NONE if value is None else f"{value:.1%}"


def interval(found: Range) -> str:
    return NONE if found is None else f"[{found[0]:.1%}, {found[1]:.1%}]"


def share(found: Share) -> str:
    return percent(found.value) if found.interval is None else f"{percent(found.value)} {interval(found.interval)}"


def points(value: float) -> str:
    """A difference of two shares, in percentage points."""
    return f"{100 * value:+.1f}"


def point_range(low: float | None, high: float | None) -> str:
    return NONE if low is None or high is None else f"[{points(low)}, {points(high)}]"


def number(value: float | None) -> str:
    return NONE if value is None else f"{value:,.1f}"


def whole(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"


def gibibytes(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f} GiB"


def _sampled(about: About) -> str:
    answers = "one answer" if about.n == 1 else f"{about.n} answers"
    return f"{about.prompts:,} prompts, {answers} each, temperature {about.sampling.temperature:g}"
