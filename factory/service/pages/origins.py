"""Pages of lineage, trainings and comparisons."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from factory.looking.compare import compare, pairs
from factory.looking.datasets import list_datasets
from factory.looking.lineage import lineage
from factory.looking.sides import SideRef
from factory.looking.training import curves_of, list_runs, run_page
from factory.page.compare import Asked, compare_page
from factory.page.lineage import lineage_page
from factory.page.training import over_page, training_page, trainings_page
from factory.service.around import frame_of
from factory.service.pages.forms import page
from factory.service.queries import AskedPage
from factory.service.state import Here, Service
from schemas.errors import DataError

router = APIRouter(include_in_schema=False)
MOST_RUNS = 8


@router.get("/lineage")
def show_lineage(service: Here, of: Annotated[str | None, Query(max_length=300)] = None) -> Response:
    graph = lineage(service.library, of or None)
    names = {node.id: node.name for node in graph.nodes}
    focus = names.get(graph.focus, of) if graph.focus else None
    return page(lineage_page(frame_of(service), graph, focus))


@router.get("/training")
def show_trainings(service: Here) -> Response:
    return page(trainings_page(frame_of(service), list_runs(service.library)))


@router.get("/training/over")
def show_over(service: Here, run: Annotated[list[str], Query(max_length=MOST_RUNS)] = []) -> Response:  # noqa: B006 - FastAPI copies it
    if not run:
        raise DataError("no run is ticked: tick those whose curves to draw")
    return page(over_page(frame_of(service), curves_of(service.library, run)))


@router.get("/training/{name:path}")
def show_training(name: str, service: Here) -> Response:
    return page(training_page(frame_of(service), run_page(service.library, name)))


@router.get("/compare")
def show_comparison(service: Here, told: AskedPage) -> Response:
    asked = Asked(
        first=SideRef(told.first, told.first_model or None) if told.first else None,
        second=SideRef(told.second, told.second_model or None) if told.second else None,
        labels=told.labels or None,
        order=told.order,
    )
    return page(_compared(service, asked, told.offset))


def _compared(service: Service, asked: Asked, offset: int) -> str:
    """What cannot be compared is said on the page, where it can be named again."""
    choices = _choices(service)
    if asked.first is None or asked.second is None:
        return compare_page(frame_of(service), asked, choices, None, None)
    try:
        found = compare(service.library, asked.first, asked.second, labels=asked.labels)
        shown = pairs(service.library, asked.first, asked.second, labels=asked.labels, order=asked.order, offset=offset)
    except DataError as err:
        return compare_page(frame_of(service), asked, choices, None, None, str(err))
    return compare_page(frame_of(service), asked, choices, found, shown)


def _choices(service: Service) -> list[str]:
    """Versions to choose from: the two newest of each dataset."""
    lines = [each.latest for each in list_datasets(service.library) if each.latest is not None]
    return [f"{line.name}@v{number}" for line in lines for number in range(line.version, max(line.version - 2, 0), -1)]
