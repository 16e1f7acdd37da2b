"""One service: what it was told, and what it looks into."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from factory.jobs.store import JobStore
from factory.looking.library import Library
from factory.people.store import PeopleStore
from factory.schedules.store import ScheduleStore
from factory.service.access import Access
from factory.service.counting import Requests
from factory.service.settings import Settings
from schemas.datasets import DatasetVersion
from schemas.errors import NotFoundError


@dataclass(frozen=True, kw_only=True)
class Service:
    """`jobs`, `schedules`, `people`: None where datasets are only looked at. `problems`: of its loops, by name."""

    home: Path
    settings: Settings
    access: Access
    library: Library
    jobs: JobStore | None = None
    schedules: ScheduleStore | None = None
    people: PeopleStore | None = None
    requests: Requests = field(default_factory=Requests)
    problems: dict[str, str] = field(default_factory=dict)
    streams: set[object] = field(default_factory=set)  # open event streams
    in_turn: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))  # see `factory.service.threads`
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def job_store(self) -> JobStore:
        """Raises NotFoundError where nothing runs."""
        if self.jobs is None:
            raise NotFoundError("this service only shows datasets; `factory serve` runs jobs")
        return self.jobs

    @property
    def schedule_store(self) -> ScheduleStore:
        """Raises NotFoundError where nothing runs."""
        if self.schedules is None:
            raise NotFoundError("this service only shows datasets; `factory serve` runs schedules")
        return self.schedules

    @property
    def people_store(self) -> PeopleStore:
        """Raises NotFoundError where nothing runs."""
        if self.people is None:
            raise NotFoundError("this service only shows datasets; `factory serve` has people label pairs")
        return self.people


def service_of(request: Request) -> Service:
    """For calls that are made often: as a dependency it would cost a third of what FastAPI takes for them."""
    service: Service = request.app.state.service
    return service


def open_version(request: Request, name: str, version: str) -> tuple[Library, DatasetVersion]:
    """What a path names, looked up once for all that an answer needs of it. Raises as `Library.version`."""
    library = service_of(request).library
    return library, library.version(f"{name}@{version}")


async def find_service(request: Request) -> Service:
    return service_of(request)


Here = Annotated[Service, Depends(find_service)]
