"""The page of one row: what was asked and answered, side by side where there are two, and all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from factory.looking.answers import Answer
from factory.looking.datasets import VersionLine
from factory.looking.sample import FullText, Sample
from factory.looking.table import Part
from factory.looking.words import Piece
from factory.page.datasets import version_tabs
from factory.page.frame import Frame, render_page
from factory.page.links import Pairs
from factory.page.rows import TITLES


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """The rows before and after this one in the order that is looked at, which `query` is of."""

    before: int | None = None
    after: int | None = None
    query: Pairs = ()


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. `pieces`: the words of its last turn, told apart from the other side's; None: shown as they are."""

    answer: Answer
    pieces: list[Piece] | None
    delta: str


def sample_page(frame: Frame, line: VersionLine, part: Part, shown: Sample, around: Around) -> str:
    links = frame.links
    return render_page(
        "sample.html",
        frame,
        "Datasets",
        f"{line.ref}, row {shown.number}",
        line=line,
        others=[],
        tab=TITLES[part],
        tabs=version_tabs(links, line),
        part=part,
        shown=shown,
        sides=_sides(shown),
        before=None if around.before is None else links.row(line.ref, around.before, part, around.query),
        after=None if around.after is None else links.row(line.ref, around.after, part, around.query),
        up=links.rows(line.ref, part, around.query),
    )


def text_page(frame: Frame, line: VersionLine, part: Part, number: int, shown: FullText) -> str:
    """One text of a row, whole, or the next million characters of it."""
    end = shown.start + len(shown.text)
    return render_page(
        "text.html",
        frame,
        "Datasets",
        f"{line.ref}, row {number}, {shown.path}",
        line=line,
        part=part,
        number=number,
        shown=shown,
        end=end,
        more=shown.characters - end,
    )


def _sides(shown: Sample) -> list[Side]:
    found = shown.differences
    if found is None or len(shown.answers) != 2:
        return [Side(answer=answer, pieces=None, delta="") for answer in shown.answers]
    first, second = shown.answers
    has_tokens = bool(first.tokens or second.tokens)  # recorded answers come without
    more, tokens = found.characters, found.tokens if has_tokens and found.tokens is not None else 0
    return [
        Side(answer=first, pieces=joined(found.first), delta=_delta(more, tokens)),
        Side(answer=second, pieces=joined(found.second), delta=_delta(-more, -tokens)),
    ]


def _delta(characters: int, tokens: int) -> str:
    return f"{tokens:+,} tokens" if tokens else f"{characters:+,} characters"


def joined(pieces: Sequence[Piece]) -> list[Piece]:
    """A space between two words that only this side has belongs to them."""
    found: list[Piece] = []
    for place, piece in enumerate(pieces):
        after = pieces[place + 1].kind if place + 1 < len(pieces) else "same"
        is_gap = piece.kind == "same" and piece.text.isspace() and "\n" not in piece.text
        kind = after if is_gap and found and found[-1].kind == after else piece.kind
        if found and found[-1].kind == kind:
            found[-1] = Piece(kind, found[-1].text + piece.text)
        else:
            found.append(Piece(kind, piece.text))
    return found
