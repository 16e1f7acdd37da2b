"""The pages of people's labels: the queues, one queue with its figures, and one pair to label."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from factory.page.frame import Frame, render_page
from factory.people.overview import Next, Overview, QueueLine
from factory.people.queue import NAME
from factory.people.shown import Mine, Shown, ShownTurn

HERE = "People"
SHOWN = 40_000  # characters of a text: who must judge it wants to see it whole
MOST_TURNS = 100


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """`more`: characters that were cut."""

    role: str
    text: str
    more: int


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A pair, cut to what a page holds. `left_out`: turns beyond those that are shown."""

    item: int
    rubric: str
    prompt: list[Turn]
    first: list[Turn]
    second: list[Turn]
    mine: Mine | None
    left_out: int


def people_page(frame: Frame, lines: Sequence[QueueLine]) -> str:
    return render_page("people.html", frame, HERE, HERE, lines=lines)


def queue_page(frame: Frame, found: Overview) -> str:
    return render_page(
        "people_queue.html",
        frame,
        HERE,
        found.line.queue.name,
        found=found,
        line=found.line,
        queue=found.line.queue,
        agreement=[one for one in found.agreement if one.pairs],
        in_workspace="/" not in found.line.queue.data,
        person_pattern=NAME,
    )


def pair_page(frame: Frame, labelling: Next, person: str) -> str:
    line = labelling.queue
    return render_page(
        "people_pair.html",
        frame,
        HERE,
        f"{line.queue.name}, {person}",
        line=line,
        queue=line.queue,
        person=person,
        mine=labelling.mine,
        pair=None if labelling.pair is None else _pair(labelling.pair),
    )


def _pair(shown: Shown) -> Pair:
    sides = [shown.prompt, shown.first, shown.second]
    prompt, first, second = (_turns(side) for side in sides)
    return Pair(
        item=shown.item,
        rubric=shown.rubric,
        prompt=prompt,
        first=first,
        second=second,
        mine=shown.mine,
        left_out=sum(max(0, len(side) - MOST_TURNS) for side in sides),
    )


def _turns(turns: Sequence[ShownTurn]) -> list[Turn]:
    return [
        Turn(role=turn.role[:80], text=turn.content[:SHOWN], more=max(0, len(turn.content) - SHOWN))
        for turn in turns[:MOST_TURNS]
    ]
