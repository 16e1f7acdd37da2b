"""Schedules over the API."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from factory.schedules.schedule import Firing, Schedule
from factory.schedules.store import ScheduleStore
from factory.service.answers import answer
from factory.service.names import JobId
from factory.service.schedule_request import ScheduleRequest, to_schedule
from factory.service.state import Here

router = APIRouter(prefix="/api/v1/schedules", tags=["schedules"])
Wish = Literal["pause", "resume", "run-now", "remove"]


@router.get("")
def list_schedules(service: Here) -> Response:
    """Oldest first."""
    return answer(service.schedule_store.list())


@router.post("", status_code=201)
def add_schedule(request: ScheduleRequest, service: Here) -> Response:
    """Run a job at the times of a cron expression."""
    return answer(service.schedule_store.add(to_schedule(request, service.settings, service.home)), 201)


@router.get("/{id}")
def get_schedule(id: JobId, service: Here) -> Response:
    return answer(service.schedule_store.get(id))


@router.get("/{id}/history")
def get_history(id: JobId, service: Here, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> Response:
    """What became of its times, the latest first."""
    return answer(service.schedule_store.history(id, limit))


@router.post("/{id}/{wish}")
def change_schedule(id: JobId, wish: Wish, service: Here) -> Response:
    """Pause, resume or remove it; `run-now` gives the firing."""
    return answer(changed(service.schedule_store, id, wish))


def changed(store: ScheduleStore, id: str, wish: Wish) -> Schedule | Firing:
    """Raises NotFoundError, ConflictError."""
    if wish == "run-now":
        return store.run_now(id)
    calls = {"pause": store.pause, "resume": store.resume, "remove": store.remove}
    return calls[wish](id)
