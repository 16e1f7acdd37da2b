"""Datasets, their versions and rows over the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from factory.looking.columns import statistics_state
from factory.looking.datasets import list_datasets, list_versions, version_page
from factory.looking.hits import contamination_hits
from factory.looking.rows import allowed, page
from factory.looking.sample import full_text, raw_row, show_row
from factory.service.answers import answer
from factory.service.names import (
    MOST_NUMBER,
    PARTS,
    DatasetName,
    Offset,
    PartName,
    RowNumber,
    TextPath,
    VersionName,
)
from factory.service.queries import AskedRows
from factory.service.state import Here, open_version
from factory.service.threads import quickly

router = APIRouter(prefix="/api/v1/datasets", tags=["datasets"])
VERSION = "/{name}/{version}"
ROWS = f"{VERSION}/{{part}}"


@router.get("")
def get_datasets(service: Here) -> Response:
    """All datasets of the workspace, by name."""
    return answer(list_datasets(service.library))


@router.get("/{name}")
def get_versions(
    name: DatasetName,
    service: Here,
    before: Annotated[int | None, Query(ge=1, le=MOST_NUMBER)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """The versions of a dataset, newest first."""
    return answer(list_versions(service.library, name, before=before, limit=limit))


@router.get(VERSION)
@quickly
def get_version(name: DatasetName, version: VersionName, request: Request) -> Response:
    """All that the manifest says: schema, funnel, inputs, models, recipe and what differs from the parent's."""
    return answer(version_page(*open_version(request, name, version)))


@router.get(f"{VERSION}/columns")
def get_columns(name: DatasetName, version: VersionName, request: Request) -> Response:
    """A histogram of every column; while they are counted, how far that is."""
    return answer(statistics_state(*open_version(request, name, version)))


@router.get(f"{VERSION}/contamination")
def get_contamination(
    name: DatasetName,
    version: VersionName,
    request: Request,
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """Rows that held items of evaluation sets, with the matching text."""
    return answer(contamination_hits(*open_version(request, name, version), offset=offset, limit=limit))


@router.get(f"{ROWS}/filters")
def get_filters(name: DatasetName, version: VersionName, part: PartName, request: Request) -> Response:
    """What a query of rows may name."""
    return answer(allowed(*open_version(request, name, version), PARTS[part]))


@router.get(ROWS)
@quickly
def get_rows(name: DatasetName, version: VersionName, part: PartName, asked: AskedRows, request: Request) -> Response:
    """A page of rows. A search that could not see all in time says how far it came."""
    return answer(page(*open_version(request, name, version), asked.query(), part=PARTS[part]))


@router.get(f"{ROWS}/{{number}}")
@quickly
def get_row(name: DatasetName, version: VersionName, part: PartName, number: RowNumber, request: Request) -> Response:
    """One row, whole."""
    return answer(raw_row(*open_version(request, name, version), number, part=PARTS[part]))


@router.get(f"{ROWS}/{{number}}/sample")
@quickly
def get_sample(
    name: DatasetName, version: VersionName, part: PartName, number: RowNumber, request: Request
) -> Response:
    """One row as the page shows it: turns, both sides with their word differences, judgements, what was exchanged."""
    return answer(show_row(*open_version(request, name, version), number, part=PARTS[part]))


@router.get(f"{ROWS}/{{number}}/text")
def get_text(
    name: DatasetName,
    version: VersionName,
    part: PartName,
    number: RowNumber,
    request: Request,
    path: TextPath,
    start: Offset = 0,
) -> Response:
    """One text of a row, up to a million characters from `start` on."""
    return answer(full_text(*open_version(request, name, version), number, path, part=PARTS[part], start=start))
