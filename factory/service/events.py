"""Server-sent events: the service says when something that a page shows has changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Hashable

import msgspec
from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from factory.jobs.folder import LOG, PROGRESS, job_folder
from factory.jobs.job import ACTIVE, Job
from factory.jobs.progress import progress
from factory.progress_log import ProgressLine
from factory.service.answers import answer
from factory.service.names import JobId
from factory.service.state import Here, Service

router = APIRouter(prefix="/api/v1", tags=["jobs"])
LOOK_S = 1.0
ALIVE_S = 15.0  # a word, so that nothing between here and the page thinks the line dead


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """`mark`: differs when something changed. `is_last`: nothing more will come."""

    mark: Hashable
    data: bytes
    is_last: bool = False


class JobEvent(msgspec.Struct, frozen=True):
    job: Job
    progress: ProgressLine | None


class Event(msgspec.Struct, frozen=True):
    """`counts`: jobs by state. `active`: those that are at work."""

    counts: dict[str, int]
    active: list[JobEvent]


@router.get("/events", response_class=StreamingResponse)
async def all_events(service: Here) -> Response:
    """`changed`, whenever a job's state or progress does."""
    return _stream(service, lambda: see_all(service))


@router.get("/jobs/{id}/events", response_class=StreamingResponse)
async def job_events(id: JobId, service: Here) -> Response:
    """`changed` with the job and its progress, whenever they do; `end` when it has ended."""
    await asyncio.to_thread(service.job_store.get, id)  # a wrong id is answered before the stream begins
    return _stream(service, lambda: see_job(service, id))


def see_job(service: Service, id: str) -> Seen:
    job = service.job_store.get(id)
    mark = (job, *_sizes(service, id))
    return Seen(mark=_hashable(mark), data=msgspec.json.encode(_event(service, job)), is_last=job.has_ended)


def see_all(service: Service) -> Seen:
    active = service.job_store.list(ACTIVE, limit=100)
    counts = {str(state): count for state, count in service.job_store.counts().items()}
    event = Event(counts, [_event(service, job) for job in active])
    data = msgspec.json.encode(event)
    return Seen(mark=data, data=data)


def _event(service: Service, job: Job) -> JobEvent:
    lines = progress(service.home, job.id) if job.started is not None else []
    return JobEvent(job, lines[-1] if lines else None)


def _sizes(service: Service, id: str) -> tuple[int, ...]:
    """Of the files that grow while a job works."""
    folder = job_folder(service.home, id)
    return tuple(path.stat().st_size if path.exists() else 0 for path in (folder / LOG, folder / PROGRESS))


def _hashable(mark: tuple[object, ...]) -> Hashable:
    return repr(mark)


def _stream(service: Service, look: Callable[[], Seen]) -> Response:
    if len(service.streams) >= service.settings.limits.max_streams:
        return answer({"error": "too many pages watch this service; close some"}, 503)
    return StreamingResponse(
        _events(service, look), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
    )


async def _events(service: Service, look: Callable[[], Seen]) -> AsyncIterator[bytes]:
    mine = object()
    service.streams.add(mine)
    try:
        mark, said = None, time.monotonic()
        yield b"retry: 3000\n\n"
        while not service.stopping.is_set():
            seen = await asyncio.to_thread(look)
            if seen.mark != mark:
                mark, said = seen.mark, time.monotonic()
                yield b"event: %s\ndata: %s\n\n" % (b"end" if seen.is_last else b"changed", seen.data)
            elif time.monotonic() - said > ALIVE_S:
                said = time.monotonic()
                yield b": alive\n\n"
            if seen.is_last:
                return
            await asyncio.sleep(LOOK_S)
    finally:
        service.streams.discard(mine)
