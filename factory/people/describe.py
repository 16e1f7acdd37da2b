"""Queues as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from factory.people.agreement import Agreement
from factory.people.make import Made
from factory.people.overview import Overview, PersonLine, QueueLine, ReasonLine
from factory.people.queue import REASONS
from factory.store.tables import plain_table
from judges.agreement.figure import Figure
from schemas.visible import visible


def queue_table(lines: Sequence[QueueLine]) -> Table:
    titles = ["queue", "data", "pairs", "asked", "done", "votes", "labels", "routed by"]
    return plain_table(titles, [_cells(line) for line in lines])


def _cells(line: QueueLine) -> list[str]:
    queue = line.queue
    counts = [f"{count:,}" for count in (line.pairs, line.asked, line.done, queue.votes, line.labels)]
    routed = ", ".join(judge.name for judge in queue.judges) if queue.is_routed else ""
    return [queue.name, queue.data, *counts, routed]


def made_page(made: Made) -> RenderableType:
    """What a new queue holds."""
    head = f"{made.queue.name}: {made.pairs:,} pairs of {made.queue.data}, {made.asked:,} of them for people"
    rows = [
        [reason, f"{pairs:,}", f"{pairs / made.pairs:.1%}", REASONS[reason]] for reason, pairs in made.reasons.items()
    ]
    return Group(Text(visible(head)), plain_table(["reason", "pairs", "share", ""], rows))


def queue_page(found: Overview) -> RenderableType:
    parts: list[RenderableType] = [_facts(found.line), _reasons(found.reasons)]
    if found.people:
        parts.append(_people(found.people))
    if any(one.pairs for one in found.agreement):
        parts.append(_agreement(found.agreement))
    return Group(*(line for part in parts for line in (part, "")))


def _facts(line: QueueLine) -> Table:
    queue = line.queue
    facts = {
        "queue": queue.name,
        "data": queue.data + (f", {queue.pairs_per_prompt} pairs a prompt" * bool(queue.pairs_per_prompt)),
        "done": f"{line.done:,} of {line.asked:,} pairs for people; votes wanted for each: {queue.votes}",
        "labels": f"{line.labels:,}",
        "judges": ", ".join(f"{judge.name} ({judge.ref})" for judge in queue.judges) or "none",
        "rubric": queue.rubric or "none",
    }
    table = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        table.add_row(Text(name, style="bold"), Text(visible(fact, "\n")))
    return table


def _reasons(reasons: Sequence[ReasonLine]) -> Table:
    rows = [[one.reason, one.words, f"{one.pairs:,}", "" if one.decided else f"{one.done:,}"] for one in reasons]
    return plain_table(["reason", "", "pairs", "done"], rows)


def _people(people: Sequence[PersonLine]) -> Table:
    rows = [
        [
            one.person,
            *(f"{count:,}" for count in (one.labels, one.ties, one.skipped)),
            "" if one.seconds is None else f"{one.seconds:.1f}",
            *figure_cells(one.first_wins),
        ]
        for one in people
    ]
    titles = ["person", "labels", "ties", "skipped", "s each", "first wins", "interval", "of"]
    return plain_table(titles, rows)


def _agreement(found: Sequence[Agreement]) -> RenderableType:
    named = [
        (f"{one.one} and {one.other}: {name}", figure)
        for one in found
        if one.pairs
        for name, figure in (("alike", one.alike), ("kappa", one.kappa))
    ]
    table = plain_table(["", "value", "interval", "of"], ([name, *figure_cells(figure)] for name, figure in named))
    return Group(table, *(Text(visible(f"{name}: {figure.reason}")) for name, figure in named if figure.reason))


def figure_cells(figure: Figure) -> list[str]:
    """Value, interval, and what they are of."""
    value = "-" if figure.value is None else f"{figure.value:.3f}"
    interval = "-" if figure.low is None or figure.high is None else f"{figure.low:.3f} to {figure.high:.3f}"
    return [value, interval, f"{figure.n:,} {figure.of}"]
