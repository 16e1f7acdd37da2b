"""Jobs over the API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Header, Query, Response

from factory.jobs.folder import LOG, job_folder
from factory.jobs.job import Job, State
from factory.jobs.progress import progress
from factory.jobs.removal import remove_jobs
from factory.jobs.store import JobStore
from factory.progress_log import ProgressLine
from factory.service.answers import answer
from factory.service.job_request import JobRequest, to_command
from factory.service.names import MOST_NUMBER, JobId
from factory.service.state import Here, Service

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])
LOG_BYTES = 256 * 1024  # of a log, in one answer
Wish = Literal["pause", "resume", "cancel", "retry", "remove"]


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """`text`: from byte `start` to byte `end` of `bytes`."""

    text: str
    start: int
    end: int
    bytes: int


@router.get("")
def list_jobs(
    service: Here,
    state: Annotated[list[State] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[str | None, Query(max_length=32)] = None,
) -> Response:
    """Newest first."""
    return answer(service.job_store.list(state, limit, before))


@router.post("", status_code=201)
def submit_job(
    request: JobRequest, service: Here, idempotency_key: Annotated[str | None, Header(max_length=200)] = None
) -> Response:
    """Queue a build, a step, a training or an evaluation. A key that was sent before gives the job of then."""
    return answer(submit(service, request, idempotency_key), 201)


@router.get("/{id}")
def get_job(id: JobId, service: Here) -> Response:
    return answer(service.job_store.get(id))


@router.get("/{id}/progress")
def get_progress(id: JobId, service: Here) -> Response:
    """Where the build stood, oldest first; the past in larger steps than the present."""
    return answer(progress_of(service, id))


@router.get("/{id}/log")
def get_log(id: JobId, service: Here, start: Annotated[int | None, Query(ge=0, le=MOST_NUMBER)] = None) -> Response:
    """What the job printed, from byte `start` on; without one its end."""
    service.job_store.get(id)
    return answer(read_log(service.home, id, start))


@router.post("/{id}/{wish}")
def change_job(id: JobId, wish: Wish, service: Here) -> Response:
    """Pause, resume, cancel or retry it; remove one that has ended, and its log."""
    return answer(wished(service.job_store, id, wish))


def submit(service: Service, request: JobRequest, key: str | None = None) -> Job:
    """Raises DataError."""
    return service.job_store.submit(
        to_command(request, service.settings, service.home),
        title=request.title,
        source="api",
        max_cost_usd=request.max_cost_usd,
        key=None if key is None else f"api:{key}",
        folder=str(service.home),
    )


def wished(store: JobStore, id: str, wish: Wish) -> Job:
    """Raises NotFoundError, ConflictError."""
    if wish == "remove":
        [job] = remove_jobs(store, [id])
        return job
    calls = {"pause": store.pause, "resume": store.resume, "cancel": store.cancel, "retry": store.retry}
    return calls[wish](id)


def progress_of(service: Service, id: str) -> list[ProgressLine]:
    """Raises NotFoundError, CorruptError."""
    service.job_store.get(id)
    return progress(service.home, id)


def read_log(home: Path, id: str, start: int | None) -> Log:
    """Cut where it is longer than one answer holds; bytes that are no UTF-8 are replaced."""
    path = job_folder(home, id) / LOG
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            at = min(max(size - LOG_BYTES, 0) if start is None else start, size)
            file.seek(at)
            data = file.read(LOG_BYTES)
    except FileNotFoundError:
        return Log(text="", start=0, end=0, bytes=0)
    return Log(text=data.decode(errors="replace"), start=at, end=at + len(data), bytes=size)
