"""Pages of datasets, their versions, rows and samples."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from factory.looking.columns import statistics_state
from factory.looking.datasets import VersionLine, list_datasets, list_versions, version_page
from factory.looking.filters import Filter
from factory.looking.hits import contamination_hits
from factory.looking.rows import Query, allowed, next_row, parse_query, row_before, write_query
from factory.looking.rows import page as row_page
from factory.looking.sample import full_text, show_row
from factory.page import datasets, rows, sample
from factory.service.around import LINKS, frame_of
from factory.service.names import PARTS, ROW_FIELDS, DatasetName, Offset, PathRef, RowNumber, ShownPart, TextPath
from factory.service.pages.forms import go_to, page
from factory.service.state import Here, Service

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
def show_version(ref: PathRef, service: Here) -> Response:
    library = service.library
    shown = version_page(library, ref)
    found = contamination_hits(library, shown.line.ref, limit=MOST_HITS) if shown.contamination else None
    others = _others(service, shown.line)
    state = statistics_state(library, shown.line.ref)
    return page(datasets.version_page(frame_of(service), shown, others, state, found))


@router.get(ROWS)
def show_rows(ref: PathRef, part: ShownPart, service: Here, request: Request) -> Response:
    pairs = request.query_params.multi_items()
    if "column" in request.query_params:
        return go_to(LINKS.rows(ref, PARTS[part], write_query(_with_filter(pairs))))
    if "limit" not in request.query_params:
        pairs = [*pairs, ("limit", str(PER_PAGE))]
    library, line, which = service.library, _line(service, ref), PARTS[part]
    view = rows.RowsView(
        frame=frame_of(service),
        line=line,
        part=which,
        found=row_page(library, line.ref, parse_query(_known(pairs)), part=which),
        allowed=allowed(library, line.ref, which),
        state=statistics_state(library, line.ref),
    )
    return page(rows.rows_page(view))


@router.get(f"{ROWS}/{{number}}")
def show_sample(ref: PathRef, part: ShownPart, number: RowNumber, service: Here, request: Request) -> Response:
    library, line, which = service.library, _line(service, ref), PARTS[part]
    query = parse_query(_known(request.query_params.multi_items()))
    shown = show_row(library, line.ref, number, part=which)
    around = sample.Around(
        before=row_before(library, line.ref, query, number, part=which),
        after=next_row(library, line.ref, query, number, part=which),
        query=rows.query_pairs(query),
    )
    return page(sample.sample_page(frame_of(service), line, which, shown, around))


@router.get(f"{ROWS}/{{number}}/text")
def show_text(
    ref: PathRef,
    part: ShownPart,
    number: RowNumber,
    service: Here,
    path: TextPath,
    start: Offset = 0,
) -> Response:
    line, which = _line(service, ref), PARTS[part]
    shown = full_text(service.library, line.ref, number, path, part=which, start=start)
    return page(sample.text_page(frame_of(service), line, which, number, shown))


def _line(service: Service, ref: str) -> VersionLine:
    return version_page(service.library, ref).line


def _others(service: Service, line: VersionLine) -> list[VersionLine]:
    """The newest versions, and the one that is shown."""
    found = list_versions(service.library, line.name, limit=MOST_VERSIONS)
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
