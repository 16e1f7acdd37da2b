"""The pages of runs: what is at work and what was, and one run with all that it tells."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

import msgspec
from markupsafe import Markup

from factory.jobs.job import Job
from factory.looking.datasets import Loss, VersionPage
from factory.looking.rows import RowPage
from factory.page.drawn.course import course_plots
from factory.page.drawn.plot import Plot
from factory.page.drawn.small import spark
from factory.page.frame import Frame, render_page
from factory.progress_log import ProgressLine

MOST_ERRORS = 8


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """A job with its progress, oldest first. `training`: its run's name among the trainings of the workspace."""

    job: Job
    progress: list[ProgressLine] = []
    training: str | None = None

    @property
    def last(self) -> ProgressLine | None:
        return self.progress[-1] if self.progress else None

    @property
    def rows_per_s(self) -> Markup:
        return spark([line.rows_per_s for line in self.progress], "Line: rows a second over time")

    @property
    def limits(self) -> Markup:
        """What all models together may have in flight."""
        return spark([sum(model.limit for model in line.models) for line in self.progress], "Line: limit over time")


class Retries(msgspec.Struct, frozen=True):
    kind: str
    count: int


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars since midnight UTC, of all jobs."""

    today: float
    per_day: float | None


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What the form for a new run offers."""

    kinds: Sequence[str]
    recipes: Sequence[str]
    data: Sequence[str]
    policies: Sequence[str]
    settings: Sequence[str]


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run: the version, and rows that failed. `problem`: why the version cannot be looked at."""

    ref: str
    version: VersionPage | None
    dead: RowPage | None
    problem: str | None = None


def runs_page(
    frame: Frame,
    active: Sequence[RunLine],
    others: Sequence[RunLine],
    spending: Spending,
    choices: Choices,
    *,
    older: str | None,
    state: str,
) -> str:
    """`older`: where the jobs before these are. `state`: the only one that is shown, or ""."""
    return render_page(
        "runs.html",
        frame,
        "Runs",
        "Runs",
        active=active,
        others=others,
        spending=spending,
        choices=choices,
        older=older,
        state=state,
    )


def run_page(frame: Frame, run: RunLine, log: str, log_start: int, made: Made | None) -> str:
    """`log`: its end; `log_start`: how many bytes are before."""
    version = made.version if made else None
    return render_page(
        "run.html",
        frame,
        "Runs",
        run.job.title,
        run=run,
        job=run.job,
        last=run.last,
        command=shlex.join(run.job.command),
        plots=_plots(run),
        retries=_retries(run.last),
        log=log,
        log_start=log_start,
        made=made,
        errors=_errors(version) if version else [],
        recipe_text=_pretty(version.recipe) if version else "",
    )


def _plots(run: RunLine) -> list[Plot]:
    return course_plots(run.progress) if len(run.progress) > 1 else []


def _retries(last: ProgressLine | None) -> list[Retries]:
    """By class of failure, of all models; refusals are 429s."""
    counts: Counter[str] = Counter()
    for model in last.models if last else ():
        counts.update(model.retried)
    return [Retries(kind, count) for kind, count in counts.most_common()]


def _errors(version: VersionPage) -> list[tuple[str, Loss]]:
    """Rows that something broke, by stage and kind, most first."""
    found = [(stage.stage, loss) for stage in version.stages for loss in stage.losses if loss.outcome == "failed"]
    return sorted(found, key=lambda each: -each[1].rows)[:MOST_ERRORS]


def _pretty(recipe: dict[str, object]) -> str:
    return msgspec.json.format(msgspec.json.encode(recipe), indent=2).decode()
