"""The page of rows of a version, or of those it rejected: what was asked for, the rows, and the way on."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from markupsafe import Markup

from factory.looking.columns import State
from factory.looking.counting import Column
from factory.looking.datasets import VersionLine
from factory.looking.lines import RowLine
from factory.looking.memory import Memory
from factory.looking.rows import Allowed, Query, RowPage, write_query
from factory.looking.table import Part
from factory.page.datasets import bin_links, version_tabs
from factory.page.drawn.small import bins
from factory.page.environment import render
from factory.page.frame import Frame, render_page

MOST_FACTS = 5  # columns beside the texts
FIRST = (  # of the short columns, those that say most of a row
    "pass_rate",
    "verdict",
    "score",
    "score_chosen",
    "score_rejected",
    "n_correct",
    "n_samples",
    "stage",
    "kind",
    "outcome",
    "reason",
    "judge",
    "finish_reason",
    "ground_truth",
    "n_completion_tokens",
    "n_chosen_tokens",
    "n_rejected_tokens",
    "n_prompt_tokens",
    "model",
    "model_chosen",
    "model_rejected",
    "verifier",
    "source",
)
TAGS = frozenset({"stage", "kind", "outcome", "judge", "finish_reason", "verifier"})
OPERATORS = {
    "is": "is",
    "not": "is not",
    "contains": "contains",
    "below": "below",
    "above": "above",
    "from": "at least",
    "upto": "at most",
    "shorter": "shorter than",
    "longer": "longer than",
    "missing": "is missing",
    "there": "is there",
}
TITLES: dict[Part, str] = {"rows": "Samples", "rejections": "Rejected"}


class Chip(msgspec.Struct, frozen=True):
    """A filter that is on, and where the rows without it are."""

    words: str
    without: str


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the table. `sort`: where it is sorted by it; `spread`: over the whole version."""

    name: str
    is_number: bool
    sort: str | None
    is_sorted: str  # "", "ascending" or "descending"
    spread: Markup | None


class RowsView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of rows. `state`: the columns' statistics, where they are there. `most`: rows that can be looked at.

    `drawn`: pictures that were drawn before.
    """

    frame: Frame
    line: VersionLine
    part: Part
    found: RowPage
    allowed: Allowed
    state: State
    drawn: Memory
    most: int | None = None

    def href(self, **changes: Any) -> str:  # noqa: ANN401 - fields of a query
        """The same rows, asked for otherwise."""
        query = msgspec.structs.replace(self.found.query, **changes)
        return self.frame.links.rows(self.line.ref, self.part, write_query(query))


def rows_page(view: RowsView) -> str:
    query, links = view.found.query, view.frame.links
    title, facts = TITLES[view.part], _facts(view)
    return render_page(
        "rows.html",
        view.frame,
        "Datasets",
        f"{view.line.ref}, {title.lower()}",
        line=view.line,
        others=[],
        tab=title,
        tabs=version_tabs(links, view.line),
        part=view.part,
        found=view.found,
        most=view.most,
        chips=list(_chips(view)),
        facts=facts,
        lines=[(row, href, _cells(facts, row)) for row, href in zip(view.found.rows, _hrefs(view), strict=True)],
        has_answers=any(row.answered for row in view.found.rows),
        choices=_choices(tuple(view.allowed.operators)),
        kept=[pair for pair in write_query(query) if pair[0] in ("where", "sort", "limit")],
        **_ways(view),
    )


@functools.lru_cache(64)
def _choices(columns: tuple[str, ...]) -> Markup:
    """The two lists of the form: the same for all rows of one kind."""
    return Markup(render("row_choices.html", columns=columns, operators=OPERATORS))


def _hrefs(view: RowsView) -> Iterator[str]:
    links, pairs = view.frame.links, query_pairs(view.found.query)
    return (links.row(view.line.ref, row.number, view.part, pairs) for row in view.found.rows)


def _cells(facts: Sequence[Fact], row: RowLine) -> list[tuple[str, bool, bool]]:
    """Of each fact its value, and whether it is a number, or one of a few words."""
    return [(row.facts.get(fact.name, ""), fact.is_number, fact.name in TAGS) for fact in facts]


def _chips(view: RowsView) -> Iterator[Chip]:
    filters = view.found.query.filters
    for each in filters:
        rest = tuple(other for other in filters if other is not each)
        words = f"{each.column} {OPERATORS[each.operator]} {each.value}".strip()
        yield Chip(words, view.href(filters=rest, offset=0))
    if text := view.found.query.text:
        yield Chip(f"text holds {text}", view.href(text="", offset=0))


def _facts(view: RowsView) -> list[Fact]:
    names = dict.fromkeys(name for row in view.found.rows for name in row.facts)
    ordered = sorted(names, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    counted = view.state.statistics if view.part == "rows" else None
    columns = {column.name: column for column in counted.columns} if counted else {}
    return [_fact(view, name, columns.get(name)) for name in ordered[:MOST_FACTS]]


def _fact(view: RowsView, name: str, column: Column | None) -> Fact:
    down, links = f"-{name}", view.frame.links
    sort = view.found.query.sort
    turned = "" if sort == name else name if sort == down else down
    return Fact(
        name=name,
        is_number=column is not None and column.shape == "number",
        sort=view.href(sort=turned, offset=0) if name in view.allowed.sorts and not links.is_static else None,
        is_sorted={name: "ascending", down: "descending"}.get(sort, ""),
        spread=None if column is None else _spread(view, column),
    )


def _spread(view: RowsView, column: Column) -> Markup | None:
    """Drawn once for a version: there are hundreds of elements in it."""
    numbers, links, ref = column.numbers, view.frame.links, view.line.ref
    if column.shape != "number" or numbers is None:
        return None
    counted = view.state.statistics
    key = ("spread", counted.sha256 if counted else "", links.is_static, ref, column.name)
    draw = functools.partial(bins, numbers.bins, f"Bars: {column.name}", bin_links(column, links, ref))
    return view.drawn.get(key, draw, len)


def _ways(view: RowsView) -> dict[str, str | None]:
    """Back, on, and on with a search that has not seen all rows yet."""
    found, query = view.found, view.found.query
    end = query.offset + len(found.rows)
    last = found.found if view.most is None else min(found.found, view.most)
    return {
        "before": view.href(offset=max(query.offset - query.limit, 0)) if query.offset else None,
        "after": view.href(offset=end) if end < last else None,
        "again": None if found.is_done else view.href(),
    }


def query_pairs(query: Query) -> Sequence[tuple[str, str]]:
    """What a sample has to know to page on in the same order."""
    return [pair for pair in write_query(query) if pair[0] not in ("offset", "limit")]
