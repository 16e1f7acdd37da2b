"""The service as one ASGI application."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from factory.jobs.limits import Limits
from factory.jobs.runner import Runner
from factory.jobs.store import JobStore
from factory.looking.library import Library
from factory.people.store import PeopleStore
from factory.schedules.scheduler import Scheduler
from factory.schedules.store import ScheduleStore
from factory.service import events, metrics, status
from factory.service.access import Access
from factory.service.api import datasets as datasets_api
from factory.service.api import jobs as jobs_api
from factory.service.api import origins as origins_api
from factory.service.api import people as people_api
from factory.service.api import schedules as schedules_api
from factory.service.counting import Counting
from factory.service.errors import add_handlers
from factory.service.guard import Guard
from factory.service.loops import note_end, run_loop
from factory.service.openapi import describe
from factory.service.pages import datasets, entry, origins, people, runs, schedules
from factory.service.settings import Settings
from factory.service.state import Service

ROUTERS = (  # in the order in which they are tried: first what is asked for most
    *(datasets.router, datasets_api.router, entry.router, runs.router, events.router, metrics.router, status.router),
    *(jobs_api.router, schedules_api.router, origins_api.router, people_api.router),
    *(schedules.router, origins.router, people.router),
)
NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def make_app(
    settings: Settings, home: Path, *, token: str | None = None, only: str | None = None, kept: Path | None = None
) -> FastAPI:
    """The service of a workspace.

    Args:
        token: what callers must have; None: nobody needs one, which is for loopback alone.
        only: the one dataset that may be looked at; nothing runs then.
        kept: where figures are kept that take long to count; by default in the workspace.
    """
    home = Path(os.path.abspath(home))
    service = Service(
        home=home,
        settings=settings,
        access=Access(settings, token),
        library=Library(home, only=only, kept=kept),
        jobs=None if only is not None else JobStore(home),
        schedules=None if only is not None else ScheduleStore(home),
        people=None if only is not None else PeopleStore(home),
    )
    app = FastAPI(
        title="Synthetic data factory",
        version=version("synthetic-data-factory"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_running,
        telemetry=NO_TELEMETRY,  # FastAPI would send traces where the environment names a collector
    )
    app.state.service = service
    for route in _routes():
        app.router.routes.append(route)  # an included router is searched as one, and searched again to answer
    add_handlers(app)
    describe(app)
    app.add_middleware(Guard, access=service.access, max_body_bytes=settings.limits.max_body_bytes)
    app.add_middleware(Counting, requests=service.requests)
    return app


def _routes() -> Iterator[APIRoute]:
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            route.operation_id = route.name
            yield route


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    """The loops run as long as the service answers. Jobs outlive it."""
    service: Service = app.state.service
    with ExitStack() as stack:
        for store in (service.jobs, service.schedules, service.people):
            if store is not None:
                stack.callback(store.close)
        steps = _steps(service, stack) if service.jobs is not None else {}
        tasks = [_begin(name, step, service) for name, step in steps.items()]
        try:
            yield
        finally:
            service.stopping.set()
            await asyncio.gather(*tasks, return_exceptions=True)  # said already, where one met a bug


def _steps(service: Service, stack: ExitStack) -> dict[str, Callable[[], object]]:
    steps: dict[str, Callable[[], object]] = {}
    if service.settings.run_jobs:
        steps["runner"] = stack.enter_context(Runner(service.home, job_limits(service.settings))).step
    if service.settings.run_schedules:
        steps["clock"] = stack.enter_context(Scheduler(service.home)).step
    return steps


def job_limits(settings: Settings) -> Limits:
    told = settings.limits
    return Limits(
        max_running=told.max_running,
        max_running_of=told.per_kind,
        max_cost_usd_per_day=told.max_cost_usd_per_day,
    )


def _begin(name: str, step: Callable[[], object], service: Service) -> asyncio.Task[None]:
    task = asyncio.create_task(run_loop(name, step, service.problems, service.stopping), name=name)
    task.add_done_callback(lambda ended: note_end(name, ended, service.problems))
    return task
