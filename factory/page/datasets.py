"""The pages of datasets: all of them, and one version of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from markupsafe import Markup

from factory.looking.columns import State, Statistics
from factory.looking.counting import Column, Value
from factory.looking.datasets import DatasetLine, VersionLine, VersionPage
from factory.looking.hits import Hits
from factory.looking.memory import Memory
from factory.looking.tally import Bin, Numbers
from factory.page.drawn.small import bins
from factory.page.frame import Frame, render_page
from factory.page.links import Links
from factory.store.pass_rates import Bin as RateBin
from schemas.charts.bars import Bar, Cluster, bar_chart
from schemas.charts.svg import show_number

MOST_VALUES = 6  # of a category, in its card
METADATA = "metadata."
CARD_BYTES = 1000


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A column with its pictures. `spread`: of its numbers or lengths; `of`: what they are of.

    `always`: the one number, or length, that all rows have.
    """

    column: Column
    name: str
    of: str
    always: float | None
    values: list[Value]
    spread: Markup | None
    turns: Markup | None
    reasoning: Markup | None


class Tab(msgspec.Struct, frozen=True):
    name: str
    href: str


LENGTHS = {
    "number": "values",
    "category": "characters",
    "text": "characters",
    "messages": "characters of all turns",
    "list": "entries",
}


def datasets_page(frame: Frame, found: Sequence[DatasetLine]) -> str:
    return render_page("datasets.html", frame, "Datasets", "Datasets", datasets=found)


def version_page(
    frame: Frame,
    shown: VersionPage,
    others: Sequence[VersionLine],
    state: State,
    hits: Hits | None,
    drawn: Memory,
) -> str:
    """`others`: the versions to choose from. `hits`: of decontamination. `drawn`: pictures that were drawn before."""
    line, found = shown.line, state.statistics
    cards = _cards(found, frame.links, line.ref, drawn) if found else []
    return render_page(
        "version.html",
        frame,
        "Datasets",
        line.ref,
        line=line,
        shown=shown,
        others=others,
        tab="Overview",
        tabs=version_tabs(frame.links, line),
        state=state,
        statistics=found,
        cards=[card for card in cards if not card.column.name.startswith(METADATA)],
        metadata=[card for card in cards if card.column.name.startswith(METADATA)],
        rates=_rates(found.pass_rates.bins) if found and found.pass_rates else None,
        hits=hits,
        recipe_text=msgspec.json.format(msgspec.json.encode(shown.recipe), indent=2).decode(),
    )


def version_tabs(links: Links, line: VersionLine) -> list[Tab]:
    tabs = [Tab("Overview", links.version(line.ref)), Tab("Samples", links.rows(line.ref))]
    if line.rejected:
        tabs.append(Tab("Rejected", links.rows(line.ref, "rejections")))
    if not links.is_static:
        tabs.append(Tab("Lineage", f"/lineage?of={line.ref}"))
        if line.parent is not None:
            tabs.append(Tab("Compare", f"/compare?first={line.name}@v{line.parent}&second={line.ref}"))
    return tabs


def _cards(found: Statistics, links: Links, ref: str, drawn: Memory) -> list[Card]:
    """Drawn once for a version."""

    def draw() -> list[Card]:
        return [_card(column, links, ref) for column in found.columns]

    return drawn.get(("cards", found.sha256, links.is_static, ref), draw, lambda cards: sum(map(_size, cards)))


def _size(card: Card) -> int:
    """In memory, about."""
    return CARD_BYTES + sum(len(picture) for picture in (card.spread, card.turns, card.reasoning) if picture)


def _card(column: Column, links: Links, ref: str) -> Card:
    def picture(found: Numbers | None, what: str, href: Callable[[Bin], str] | None = None) -> Markup | None:
        if found is None or found.low == found.high:
            return None
        return bins(found.bins, f"Bars: {what} of {column.name}", href)

    of, numbers = LENGTHS.get(column.shape, ""), column.numbers
    is_told = column.shape != "number" and any(value.rows > 1 for value in column.values)  # more than lengths do
    return Card(
        column=column,
        name=column.name.removeprefix(METADATA),
        of=of,
        values=column.values[:MOST_VALUES] if is_told else [],
        always=numbers.low if numbers and numbers.low == numbers.high and not is_told else None,
        spread=None if is_told else picture(numbers, of, bin_links(column, links, ref)),
        turns=picture(column.turns, "turns"),
        reasoning=picture(column.reasoning, "characters of reasoning"),
    )


def bin_links(column: Column, links: Links, ref: str) -> Callable[[Bin], str] | None:
    """From a bar of numbers to the rows that it counts."""
    if column.shape != "number" or links.is_static or column.numbers is None:
        return None
    last = column.numbers.high

    def href(found: Bin) -> str:
        end = "upto" if found.high >= last else "below"
        where = [f"{column.name}:from:{found.low!r}", f"{column.name}:{end}:{found.high!r}"]
        return links.rows(ref, query=[("where", each) for each in where])

    return href


def _rates(found: Sequence[RateBin]) -> Markup:
    """Side by side: kept, and what `keep` left out as too hard or too easy."""
    clusters = [
        Cluster(each.label.replace("below ", "<"), [Bar(3, each.kept), Bar(0, each.too_hard + each.too_easy)])
        for each in found
    ]
    return Markup(bar_chart(clusters, "share of right answers", None, show_number, "Bars: prompts by their pass rate"))
