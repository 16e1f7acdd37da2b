"""Is the service well?"""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Response

from factory.service.answers import answer
from factory.service.around import VERSION
from factory.service.state import Here

router = APIRouter(prefix="/api/v1", tags=["status"])


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`problems`: what is wrong with the runner of jobs or the clock of schedules, by its name."""

    version: str
    workspace: str
    runs_jobs: bool
    runs_schedules: bool
    problems: dict[str, str]


@router.get("/status")
async def get_status(service: Here) -> Response:
    found = Status(
        version=VERSION,
        workspace=service.home.name,
        runs_jobs=service.jobs is not None and service.settings.run_jobs,
        runs_schedules=service.jobs is not None and service.settings.run_schedules,
        problems=dict(service.problems),
    )
    return answer(found, 503 if found.problems else 200)
