"""The frame around the pages of a service."""

from __future__ import annotations

import time
from importlib.metadata import version

from factory.page.frame import Frame, Place
from factory.page.links import ServedLinks
from factory.service.state import Service

LINKS = ServedLinks()
VERSION = version("synthetic-data-factory")


def frame_of(service: Service) -> Frame:
    return Frame(
        links=LINKS,
        places=_places(service),
        workspace=service.library.only or service.home.name,
        version=VERSION,
        form_token=service.access.form_token,
        has_login=service.access.token is not None,
        problems=list(service.problems.values()),
        now=time.time(),
    )


def _places(service: Service) -> list[Place]:
    datasets = Place("Datasets", "/datasets")
    if service.jobs is None:
        return [datasets, Place("Lineage", "/lineage"), Place("Compare", "/compare")]
    counts = service.jobs.counts()
    return [
        Place("Runs", "/runs", counts.get("running", 0) + counts.get("queued", 0)),
        datasets,
        Place("Lineage", "/lineage"),
        Place("Training", "/training"),
        Place("Compare", "/compare"),
        Place("Schedules", "/schedules"),
        Place("People", "/people"),
    ]
