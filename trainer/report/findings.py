"""All numbers of a report, from what a person typed: what the page and stdout show, and `--json` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from factory.sampling.types import SamplingParams
from schemas.manifest import InputRef
from trainer.report.claims import HOW, RULE, Claim, claims
from trainer.report.costs import Cost, costs
from trainer.report.curves import Curves, curves
from trainer.report.errors import ReportError
from trainer.report.evaluated import group, read_evaluated
from trainer.report.figures import GroupFigures, StageFigures, group_figures, stage_figures
from trainer.report.histograms import Histogram, of_stages, of_versions
from trainer.report.runs import read_runs
from trainer.report.samples import Example, examples, rule
from trainer.report.stages import Ladder, Stage, read_ladder
from trainer.report.words import Asked

MOST_SAMPLES = 100


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """One report: which model, and when."""

    stage: str
    file: str
    model: str
    revision: str
    engine: str
    seed: int
    created_at: str


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What was evaluated, and how: the same for all."""

    data: InputRef
    prompts: int
    n: int
    sampling: SamplingParams
    system_prompt: str | None
    first: str  # UTC, ISO 8601: when the first report was made
    last: str
    models: list[Evaluated]


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """`keys`: what the groups are by. `measured`: the histograms of versions of pass-rate."""

    about: About
    rule: str
    resamples: int
    stages: list[StageFigures]
    claims: list[Claim]
    keys: tuple[str, ...]
    groups: list[GroupFigures]
    histograms: list[Histogram]
    measured: list[Histogram]
    costs: list[Cost]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a page has besides: pictures of runs, and answers."""

    findings: Findings
    curves: list[Curves]
    examples: list[Example]
    example_rule: str


def find(asked: Asked, workspace: Path) -> Shown:
    """
    Raises:
        ReportError, CompareError, EvalError: reports that are not alike, or a flag that names what is not there.
        TrainError: a run without metrics.
        DataError: no such version, or it was changed.
    """
    if not 0 <= asked.samples <= MOST_SAMPLES:
        raise ReportError(f"--samples {asked.samples}: must be 0 to {MOST_SAMPLES}")
    ladder = read_ladder(asked)
    prompts = read_evaluated(ladder.stages[0], asked.data, workspace)
    groups = group(list(prompts.values()), asked.by)
    runs = read_runs(asked.runs, ladder)
    measured = of_versions(asked.pass_rates, workspace)
    shown = examples(ladder, prompts, groups, asked.samples)
    findings = Findings(
        about=_about(ladder),
        rule=RULE,
        resamples=HOW.resamples,
        stages=stage_figures(ladder),
        claims=claims(ladder),
        keys=groups.keys,
        groups=group_figures(ladder, groups),
        histograms=of_stages(ladder.stages[-2:]),
        measured=measured,
        costs=costs(ladder, runs),
    )
    return Shown(
        findings=findings,
        curves=curves(runs),
        examples=shown,
        example_rule=rule(ladder, groups, asked.samples),
    )


def _about(ladder: Ladder) -> About:
    request = ladder.first_report.request
    reports = [report for stage in ladder.all for report in stage.reports]
    times = sorted(report.run.created_at for report in reports)
    return About(
        data=request.data,
        prompts=len(ladder.stages[0].evals[0].rows),
        n=request.n,
        sampling=ladder.first_report.sampling,
        system_prompt=request.system_prompt,
        first=times[0],
        last=times[-1],
        models=_models([*ladder.all, *ladder.greedy.values()]),
    )


def _models(stages: Sequence[Stage]) -> list[Evaluated]:
    return [
        Evaluated(
            stage=stage.name,
            file=str(path),
            model=report.model,
            revision=report.revision,
            engine=f"{report.engine} {report.engine_version}",
            seed=report.request.seed,
            created_at=report.run.created_at,
        )
        for stage in stages
        for path, report in zip(stage.paths, stage.reports, strict=True)
    ]
