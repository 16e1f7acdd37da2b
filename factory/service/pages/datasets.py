"""Pages of datasets, their versions, rows and samples."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from factory.looking.columns import statistics_state
from factory.looking.datasets import VersionLine, list_datasets, list_versions, version_line, version_page
from factory.looking.filters import Filter
from factory.looking.hits import contamination_hits
from factory.looking.library import Library
from factory.looking.rows import Query, allowed, next_row, parse_query, row_before, write_query
from factory.looking.rows import page as row_page
from factory.looking.sample import full_text, show_row
from factory.page import datasets, rows, sample
from factory.service.around import LINKS, frame_of
from factory.service.names import PARTS, ROW_FIELDS, DatasetName, Offset, RowNumber, ShownPart, TextPath, VersionName
from factory.service.pages.forms import go_to, page
from factory.service.state import Here, open_version, service_of
from factory.service.threads import quickly

router = APIRouter(include_in_schema=False)
VERSION = "/datasets/{name}/{version}"
ROWS = f"{VERSION}/{{part}}"
MOST_VERSIONS = 8
MOST_HITS = 5
PER_PAGE = 25


@router.get("/datasets")
def show_datasets(service: Here) -> Response:
    return page(datasets.datasets_page(frame_of(service), list_datasets(service.library)))


@router.get("/datasets/{name}")
def show_latest(name: DatasetName) -> Response:
    return go_to(LINKS.version(f"{name}@latest"))


@router.get(VERSION)
@quickly
def show_version(name: DatasetName, version: VersionName, request: Request) -> Response:
    library, opened = open_version(request, name, version)
    shown = version_page(library, opened)
    found = contamination_hits(library, opened, limit=MOST_HITS) if shown.contamination else None
    others = _others(library, shown.line)
    state = statistics_state(library, opened)
    return page(datasets.version_page(frame_of(service_of(request)), shown, others, state, found, library.memory))


@router.get(ROWS)
@quickly
def show_rows(name: DatasetName, version: VersionName, part: ShownPart, request: Request) -> Response:
    pairs = request.query_params.multi_items()
    if "column" in request.query_params:
        return go_to(LINKS.rows(f"{name}@{version}", PARTS[part], write_query(_with_filter(pairs))))
    if "limit" not in request.query_params:
        pairs = [*pairs, ("limit", str(PER_PAGE))]
    (library, opened), which = open_version(request, name, version), PARTS[part]
    view = rows.RowsView(
        frame=frame_of(service_of(request)),
        line=version_line(library, opened),
        part=which,
        found=row_page(library, opened, parse_query(_known(pairs)), part=which),
        allowed=allowed(library, opened, which),
        state=statistics_state(library, opened),
        drawn=library.memory,
    )
    return page(rows.rows_page(view))


@router.get(f"{ROWS}/{{number}}")
@quickly
def show_sample(
    name: DatasetName, version: VersionName, part: ShownPart, number: RowNumber, request: Request
) -> Response:
    (library, opened), which = open_version(request, name, version), PARTS[part]
    query = parse_query(_known(request.query_params.multi_items()))
    shown = show_row(library, opened, number, part=which)
    around = sample.Around(
        before=row_before(library, opened, query, number, part=which),
        after=next_row(library, opened, query, number, part=which),
        query=rows.query_pairs(query),
    )
    frame, line = frame_of(service_of(request)), version_line(library, opened)
    return page(sample.sample_page(frame, line, which, shown, around))


@router.get(f"{ROWS}/{{number}}/text")
def show_text(
    name: DatasetName,
    version: VersionName,
    part: ShownPart,
    number: RowNumber,
    request: Request,
    path: TextPath,
    start: Offset = 0,
) -> Response:
    (library, opened), which = open_version(request, name, version), PARTS[part]
    shown = full_text(library, opened, number, path, part=which, start=start)
    frame, line = frame_of(service_of(request)), version_line(library, opened)
    return page(sample.text_page(frame, line, which, number, shown))


def _others(library: Library, line: VersionLine) -> list[VersionLine]:
    """The newest versions, and the one that is shown."""
    found = list_versions(library, line.name, limit=MOST_VERSIONS)
    return found if any(each.version == line.version for each in found) else [*found[:-1], line]


def _known(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in pairs if name in ROW_FIELDS and value]


def _with_filter(pairs: list[tuple[str, str]]) -> Query:
    """What the form of the page asks for: a filter in three fields beside those that were on before."""
    fields = dict(pairs)
    query = parse_query(_known(pairs))
    if not fields.get("column"):
        return query
    words = ":".join(part for part in (fields["column"], fields.get("operator", "is"), fields.get("value", "")) if part)
    added: tuple[Filter, ...] = parse_query([("where", words)]).filters
    return Query(filters=(*query.filters, *added), text=query.text, sort=query.sort, limit=query.limit)
