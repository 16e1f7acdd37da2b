"""Pages of schedules, and the forms that add, pause and remove them."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Response
from pydantic import ValidationError

from factory.page.schedules import SHOWN, ScheduleLine, schedule_page, schedules_page
from factory.schedules.schedule import Firing
from factory.service.api.schedules import Wish, changed
from factory.service.around import frame_of
from factory.service.names import JobId
from factory.service.pages.forms import Form, go_to, page
from factory.service.pages.job_form import choices_of, job_request, number, told
from factory.service.schedule_request import ScheduleRequest, to_schedule
from factory.service.state import Here

router = APIRouter(include_in_schema=False)
UPCOMING = 6
MOST_SHOWN = 200
WHEN = ("cron", "zone", "misfire", "overlap")


@router.get("/schedules")
def show_schedules(service: Here) -> Response:
    store = service.schedule_store
    lines = [ScheduleLine(schedule=one, history=store.history(one.id, SHOWN)) for one in store.list()]
    return page(schedules_page(frame_of(service), lines, choices_of(service)))


@router.post("/schedules")
def add_schedule(service: Here, form: Form) -> Response:
    added = service.schedule_store.add(to_schedule(_request(form), service.settings, service.home))
    return go_to(f"/schedules/{added.id}")


@router.get("/schedules/{id}")
def show_schedule(id: JobId, service: Here) -> Response:
    found = service.schedule_store.get(id)
    line = ScheduleLine(schedule=found, history=service.schedule_store.history(id, MOST_SHOWN))
    return page(schedule_page(frame_of(service), line, found.times.upcoming(time.time(), UPCOMING)))


@router.post("/schedules/{id}/{wish}")
def change_schedule(id: JobId, wish: Wish, service: Here) -> Response:
    done = changed(service.schedule_store, id, wish)
    if isinstance(done, Firing) and done.job_id is not None:
        return go_to(f"/runs/{done.job_id}")
    return go_to("/schedules" if wish == "remove" else f"/schedules/{id}")


def _request(form: dict[str, str]) -> ScheduleRequest:
    """Raises DataError: a field of another form."""
    fields: dict[str, Any] = {name: form[name] for name in WHEN if name in form}
    if "jitter_s" in form:
        fields["jitter_s"] = number("jitter_s", form["jitter_s"])
    job = job_request(form)
    if "whole" in form:
        job = job.model_copy(update={"new_only": False})
    try:
        return ScheduleRequest(job=job, **fields)
    except ValidationError as err:
        raise told(err) from err
