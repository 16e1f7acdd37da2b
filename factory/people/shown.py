"""A pair as a person sees it: blind. Nothing here tells a from b, which model wrote what, or what judges said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from factory.people.queue import Choice, Item, Label, Queue, first_shown
from pipelines.groups import to_completions
from schemas.datasets import DatasetVersion, open_version
from schemas.errors import CorruptError, NotFoundError
from schemas.records import Completion, Message, Record

RowOf = Callable[[int], Record]  # a row of the queue's data by its number; raises NotFoundError


class ShownTurn(msgspec.Struct, frozen=True):
    role: str
    content: str


class Mine(msgspec.Struct, frozen=True):
    """What this person said of the pair before."""

    choice: Choice
    note: str


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """`item`: its number in the queue. Thoughts are left out, as they are for judges."""

    queue: str
    item: int
    person: str
    rubric: str
    prompt: list[ShownTurn]
    first: list[ShownTurn]
    second: list[ShownTurn]
    mine: Mine | None = None


def show(queue: Queue, item: Item, person: str, row_of: RowOf, label: Label | None = None) -> Shown:
    """`label`: this person's, if there is one. Raises NotFoundError: no such row; CorruptError: other answers there."""
    a, b = _answers(row_of, queue, item)
    swapped = first_shown(queue.seed, item.number, person) == "b"
    first, second = (b, a) if swapped else (a, b)
    return Shown(
        queue=queue.name,
        item=item.number,
        person=person,
        rubric=queue.rubric,
        prompt=_turns(a.prompt),
        first=_turns(first.completion),
        second=_turns(second.completion),
        mine=None if label is None else Mine(label.choice, label.note),
    )


def open_data(queue: Queue, home: Path) -> DatasetVersion:
    """The version that the queue was made of. Raises NotFoundError, CorruptError."""
    version = open_version(queue.data, home)
    check_data(queue, version)
    return version


def check_data(queue: Queue, version: DatasetVersion) -> None:
    """Raises CorruptError: it is not what the queue was made of."""
    if version.manifest.sha256 != queue.sha256:
        raise CorruptError(f"{queue.data}: not the version that queue {queue.name} was made of; restore that one")


def rows_of(version: DatasetVersion) -> RowOf:
    """Reads the row group that a row stands in, each time."""

    def row_of(number: int) -> Record:
        for record in version.records(number, number + 1):
            return record
        raise NotFoundError(f"{version.name}@v{version.manifest.version}: no row {number}")

    return row_of


def _answers(row_of: RowOf, queue: Queue, item: Item) -> tuple[Completion, Completion]:
    """a and b."""
    numbers = dict.fromkeys((item.row_a, item.row_b))  # one for a pair
    found = [one for number in numbers for one in to_completions(row_of(number))]
    if [one.completion_id for one in found] != [item.completion_a, item.completion_b]:
        raise CorruptError(f"{queue.data} row {item.row_a}: other answers than in pair {item.number} of {queue.name}")
    return found[0], found[1]


def _turns(messages: Sequence[Message]) -> list[ShownTurn]:
    return [ShownTurn(message.role, message.content) for message in messages]
