"""Rows of a version, or of its rejections, a page at a time: filtered, searched, sorted. Never a whole version is read.

The time of one call is bounded. A search that has not seen all rows says how far it came, and the next call of the
same query goes on there.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable

import msgspec

from factory.looking.filters import OPERATORS, Filter, Operator, make_check, operators_of, text_check
from factory.looking.found import Found, find
from factory.looking.library import Library, Ref
from factory.looking.lines import RowLine, read_lines, searched_columns
from factory.looking.table import Part, Table, open_table
from factory.looking.texts import is_number
from schemas.arrow import ARROW_SCHEMAS
from schemas.columns import ROW_KEYS
from schemas.errors import DataError, NotFoundError
from schemas.records import Record

MOST_ROWS = 100  # of one page
MOST_FILTERS = 16
MOST_CHARACTERS = 500  # of a searched text, and of a filter's value
SECONDS = 1.0  # that one call may search
COUNT_SECONDS = 0.1  # to count on, when the page is full


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """`text`: what some text column holds, in any case. `sort`: a column of numbers, with "-" before it downwards."""

    filters: tuple[Filter, ...] = ()
    text: str = ""
    sort: str = ""
    offset: int = 0
    limit: int = 20

    @property
    def is_plain(self) -> bool:
        """All rows, in their order."""
        return not (self.filters or self.text or self.sort)


class RowPage(msgspec.Struct, frozen=True, kw_only=True):
    """`found`: rows that match, among the `searched` first of `of`; `is_done` once all were looked at.

    Sorted rows are in their final order once it is done, and before that among those that were searched.
    """

    query: Query
    rows: list[RowLine]
    found: int
    searched: int
    of: int
    is_done: bool
    seconds: float


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """What a query of this version may name: for each column its operators; columns that sort."""

    operators: dict[str, list[Operator]]
    sorts: list[str]


def parse_query(pairs: Iterable[tuple[str, str]]) -> Query:
    """Of a URL: `where=COLUMN:OPERATOR:VALUE` (several), `q=TEXT`, `sort=COLUMN`, `offset=N`, `limit=N`.

    Raises:
        DataError: an unknown name, operator or number; names it and what there is.
    """
    filters: list[Filter] = []
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name == "where":
            filters.append(_parse_filter(value))
        elif name not in ("q", "sort", "offset", "limit"):
            raise DataError(f"{name!r}: unknown; a query has where, q, sort, offset, limit")
        elif fields.setdefault(name, value) != value:
            raise DataError(f"{name}: given twice")
    if len(filters) > MOST_FILTERS:
        raise DataError(f"where: {len(filters)} filters; up to {MOST_FILTERS} are looked at")
    return Query(
        filters=tuple(dict.fromkeys(filters)),
        text=_short(fields.get("q", ""), "q"),
        sort=fields.get("sort", ""),
        offset=_whole_number(fields, "offset", 0, 2**62),
        limit=_whole_number(fields, "limit", 20, MOST_ROWS),
    )


def write_query(query: Query) -> list[tuple[str, str]]:
    """The pairs that `parse_query` reads: for links to the next page, and without one filter."""
    pairs = [("where", str(one)) for one in query.filters]
    pairs += [(name, value) for name, value in (("q", query.text), ("sort", query.sort)) if value]
    pairs += [("offset", str(query.offset))] if query.offset else []
    return pairs if query.limit == Query().limit else [*pairs, ("limit", str(query.limit))]


def allowed(library: Library, ref: Ref, part: Part = "rows") -> Allowed:
    """Places in the metadata are allowed besides, with the operators of both texts and numbers but the lengths."""
    return _allowed(open_table(library, ref, part).record)


@functools.cache
def _allowed(record: type[Record]) -> Allowed:
    schema = ARROW_SCHEMAS[record]
    operators = {field.name: list(operators_of(field.type)) for field in schema}
    return Allowed(operators=operators, sorts=[field.name for field in schema if is_number(field.type)])


def page(library: Library, ref: Ref, query: Query, *, part: Part = "rows", seconds: float = SECONDS) -> RowPage:
    """Raises DataError (an unknown column, an operator that it does not have, a value that is no number) and kin."""
    started = time.monotonic()
    _check_bounds(query)
    table = open_table(library, ref, part)
    stop = query.offset + query.limit
    if query.is_plain:
        numbers, counts = list(range(min(query.offset, table.rows), min(stop, table.rows))), (table.rows,) * 2
    else:
        found = _search(library, table, query, stop, seconds)
        numbers, counts = found.rows(query.offset, stop), (found.count, found.searched)
    return RowPage(
        query=query,
        rows=read_lines(library, table, numbers, query.text, query.filters),
        found=counts[0],
        searched=counts[1],
        of=table.rows,
        is_done=counts[1] == table.rows,
        seconds=round(time.monotonic() - started, 4),
    )


def next_row(
    library: Library, ref: Ref, query: Query, number: int, *, part: Part = "rows", seconds: float = SECONDS
) -> int | None:
    """The row that comes after row `number` in the query's order: for paging samples by key. None at the end."""
    return _step(library, open_table(library, ref, part), query, (number, 1), seconds)


def row_before(
    library: Library, ref: Ref, query: Query, number: int, *, part: Part = "rows", seconds: float = SECONDS
) -> int | None:
    return _step(library, open_table(library, ref, part), query, (number, -1), seconds)


def number_of(library: Library, ref: Ref, key: str, *, seconds: float = SECONDS) -> int | None:
    """The number of the row with this id (of its kind: prompt_id, completion_id, trace_id, pair_id).

    None: there is none, or it was not found in time; another call goes on.
    """
    table = open_table(library, ref)
    query = Query(filters=(Filter(ROW_KEYS[table.record][0], "is", key),))
    first = _search(library, table, query, 1, seconds).rows(0, 1)
    return first[0] if first else None


def _step(library: Library, table: Table, query: Query, step: tuple[int, int], seconds: float) -> int | None:
    number, by = step
    if not table.is_in(number):
        raise NotFoundError(f"no row {number}; there are {table.rows:,}, from 0 on")
    if query.is_plain:
        return number + by if table.is_in(number + by) else None
    found = _search(library, table, query, 1, seconds)
    place = found.place_of(number)
    if place is not None and place + by >= found.count:
        found = _search(library, table, query, place + by + 1, seconds)
    if place is None or place + by < 0:
        return None
    there = found.rows(place + by, place + by + 1)
    return there[0] if there else None


def _search(library: Library, table: Table, query: Query, enough: int, seconds: float) -> Found:
    if query.sort and query.sort.removeprefix("-") not in (sorts := _sorts(table)):
        raise DataError(f"sort={query.sort}: it must be one of {', '.join(sorts)}")
    checks = [make_check(table.record, one) for one in query.filters]
    if query.text:
        checks.append(text_check(searched_columns(table.record), query.text))
    key = (table.id, query.text, query.sort, *map(str, query.filters))
    found = Found(table, checks, query.sort)
    return find(library, key, found, enough=enough, seconds=seconds, count=min(seconds, COUNT_SECONDS))


def _sorts(table: Table) -> list[str]:
    return [field.name for field in ARROW_SCHEMAS[table.record] if is_number(field.type)]


def _parse_filter(text: str) -> Filter:
    column, _, rest = text.partition(":")
    operator, colon, value = rest.partition(":")
    if operator not in OPERATORS:
        raise DataError(f"where={text}: write COLUMN:OPERATOR:VALUE, with one of {', '.join(OPERATORS)}")
    if bool(colon) == (operator in ("missing", "there")):
        raise DataError(f"where={text}: {operator!r} takes {'no' if colon else 'a'} value")
    return Filter(column, operator, _short(value, f"where={column}:{operator}"))


def _short(text: str, name: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise DataError(f"{name}: {len(text):,} characters; up to {MOST_CHARACTERS} are searched for")
    return text


def _whole_number(fields: dict[str, str], name: str, default: int, most: int) -> int:
    text = fields.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
        raise DataError(f"{name}={text}: it must be a whole number from 0 to {most:,}")
    return int(text)


def _check_bounds(query: Query) -> None:
    if query.offset < 0 or not 0 <= query.limit <= MOST_ROWS:
        raise DataError(f"offset {query.offset}, limit {query.limit}: from 0 on, and up to {MOST_ROWS} rows")
