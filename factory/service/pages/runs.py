"""Pages of runs, and the forms that start, pause and end them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response

from factory.jobs.job import ACTIVE, STATES, Job, State
from factory.jobs.progress import progress
from factory.jobs.spending import spending_of_today
from factory.looking.datasets import version_page
from factory.looking.filters import Filter
from factory.looking.rows import Query as RowQuery
from factory.looking.rows import allowed
from factory.looking.rows import page as row_page
from factory.page.runs import Made, RunLine, Spending, run_page, runs_page
from factory.service.api.jobs import Wish, read_log, submit, wished
from factory.service.around import frame_of
from factory.service.names import JobId
from factory.service.pages.forms import Form, go_to, page
from factory.service.pages.job_form import choices_of, job_request
from factory.service.state import Here, Service
from schemas.errors import ConflictError, DataError

router = APIRouter(include_in_schema=False)
PER_PAGE = 50
MOST_DEAD = 8


@router.get("/runs")
def show_runs(
    service: Here,
    state: Annotated[State | None, Query()] = None,
    before: Annotated[str | None, Query(max_length=32)] = None,
) -> Response:
    store = service.job_store
    wanted = [state] if state else [each for each in STATES if each not in ACTIVE]
    jobs = store.list(wanted, PER_PAGE, before)
    active = [_line(service, job) for job in store.list(ACTIVE, 100)] if before is None else []
    older = f"/runs?before={jobs[-1].id}" + (f"&state={state}" if state else "") if len(jobs) == PER_PAGE else None
    spent = Spending(
        today=spending_of_today(store, frame_of(service).now).today,
        per_day=service.settings.limits.max_cost_usd_per_day,
    )
    lines = [_line(service, job) for job in jobs]
    shown = runs_page(frame_of(service), active, lines, spent, choices_of(service), older=older, state=state or "")
    return page(shown)


@router.post("/runs")
def start_run(service: Here, form: Form) -> Response:
    return go_to(f"/runs/{submit(service, job_request(form)).id}")


@router.get("/runs/{id}")
def show_run(id: JobId, service: Here) -> Response:
    job = service.job_store.get(id)
    log = read_log(service.home, id, None)
    return page(run_page(frame_of(service), _line(service, job), log.text, log.start, _made(service, job)))


@router.post("/runs/{id}/again")
def ask_again(id: JobId, service: Here) -> Response:
    """Queue the build once more for its dead letters alone: what has an answer is in the ledger."""
    job = service.job_store.get(id)
    if job.state != "done" or job.command[:2] != ["factory", "build"]:
        raise ConflictError(f"job {id} is no build that is done: it has no rows to ask for again")
    words = [word for word in job.command if word != "--again"]
    queued = service.job_store.submit(
        [*words, "--again"], title=job.title, source="api", folder=job.folder, max_cost_usd=_own_cap(job)
    )
    return go_to(f"/runs/{queued.id}")


@router.post("/runs/{id}/{wish}")
def change_run(id: JobId, wish: Wish, service: Here) -> Response:
    wished(service.job_store, id, wish)
    return go_to("/runs" if wish == "remove" else f"/runs/{id}")


def _own_cap(job: Job) -> float | None:
    """A cap among the words of the command is still there."""
    return None if any(word.partition("=")[0] == "--max-cost" for word in job.command) else job.max_cost_usd


def _line(service: Service, job: Job) -> RunLine:
    told = progress(service.home, job.id) if job.started is not None else []
    return RunLine(job=job, progress=told, training=_training(service.home, job))


def _training(home: Path, job: Job) -> str | None:
    if job.command[0] != "trainer" or job.command[1] == "eval" or job.out is None or job.started is None:
        return None
    place = Path(os.path.abspath(Path(job.folder or "", job.out)))
    return str(place.relative_to(home)) if place.is_relative_to(home) else None


def _made(service: Service, job: Job) -> Made | None:
    """The version, where the run made one of this workspace. One that is gone or damaged does not hide the run."""
    if job.made is None or "@" not in job.made or "/" in job.made:
        return None
    try:
        found = service.library.version(job.made)
        version, dead = version_page(service.library, found), None
        if version.line.rejected and "outcome" in allowed(service.library, found, "rejections").operators:
            query = RowQuery(filters=(Filter("outcome", "is", "failed"),), limit=MOST_DEAD)
            dead = row_page(service.library, found, query, part="rejections")
    except DataError as err:
        return Made(ref=job.made, version=None, dead=None, problem=str(err))
    return Made(ref=job.made, version=version, dead=dead)
