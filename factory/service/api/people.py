"""Queues of pairs that people label, over the API. Who labels is told nothing that is not on the page: it is blind."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from factory.looking.table import read_row, table_of
from factory.people.overview import Next, Overview, count_mine, mark, overview, queue_line, queue_lines
from factory.people.queue import MOST_NOTE, NAME, Choice, Label, Queue
from factory.people.shown import RowOf, Shown, check_data, open_data, rows_of, show
from factory.service.answers import answer
from factory.service.names import MOST_NUMBER
from factory.service.state import Here, Service

router = APIRouter(prefix="/api/v1/people", tags=["people"])
QueueName = Annotated[str, Path(pattern=f"^{NAME}$")]
Person = Annotated[str, Query(pattern=f"^{NAME}$", description="who labels")]
ItemNumber = Annotated[int, Path(ge=0, le=MOST_NUMBER)]
OVERVIEW_BYTES = 20_000  # about


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """A label, without what it was blind to."""

    item: int
    person: str
    choice: Choice
    note: str
    seconds: float | None
    time: float


class LabelRequest(BaseModel):
    """`choice`: of the answers as they were shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    person: str = Field(pattern=f"^{NAME}$")
    item: int = Field(ge=0, le=MOST_NUMBER, strict=True)
    choice: Choice
    note: str = Field(default="", max_length=MOST_NOTE)
    seconds: float | None = Field(default=None, ge=0, le=1e9, allow_inf_nan=False)


class UndoRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    person: str = Field(pattern=f"^{NAME}$")


@router.get("")
def list_queues(service: Here) -> Response:
    """Newest first."""
    return answer(queue_lines(service.people_store))


@router.get("/{queue}")
def get_queue(queue: QueueName, service: Here) -> Response:
    """Pairs by reason, what people did, and how they agree with the judges and with each other."""
    return answer(overview_of(service, queue))


@router.get("/{queue}/next")
def get_next_pair(queue: QueueName, person: Person, service: Here) -> Response:
    """The next pair for a person, blind, which is kept from others for ten minutes."""
    return answer(next_of(service, queue, person))


@router.get("/{queue}/pairs/{number}")
def get_pair(queue: QueueName, number: ItemNumber, person: Person, service: Here) -> Response:
    """One pair as this person sees it."""
    return answer(shown_to(service, queue, person, number))


@router.post("/{queue}/labels")
def label_pair(queue: QueueName, request: LabelRequest, service: Here) -> Response:
    """Say which answer is better, or change one's mind."""
    label = service.people_store.label(
        queue, request.person, request.item, request.choice, note=request.note, seconds=request.seconds
    )
    return answer(blind(label))


@router.post("/{queue}/undo")
def undo_label(queue: QueueName, request: UndoRequest, service: Here) -> Response:
    """Take back what this person said last; null where there is nothing to take back."""
    label = service.people_store.undo(queue, request.person)
    return answer(None if label is None else blind(label))


def next_of(service: Service, queue: str, person: str) -> Next:
    """Raises DataError, NotFoundError, CorruptError."""
    store = service.people_store
    item = store.next(queue, person)
    found = store.get(queue)
    pair = None if item is None else show(found, item, person, _rows(service, found))
    return Next(pair=pair, mine=count_mine(store, queue, person), queue=queue_line(store, queue))


def shown_to(service: Service, queue: str, person: str, number: int) -> Shown:
    """Raises as `next_of`, and ConflictError as `PeopleStore.asked`."""
    store = service.people_store
    item = store.asked(queue, number)
    found = store.get(queue)
    return show(found, item, person, _rows(service, found), store.label_of(queue, person, number))


def overview_of(service: Service, name: str) -> Overview:
    """Kept as long as no label comes or goes: its intervals take a while. Raises NotFoundError."""
    store = service.people_store
    store.get(name)
    key = ("people", str(store.home), name, mark(store, name))
    return service.library.memory.get(key, lambda: overview(store, name), lambda _: OVERVIEW_BYTES)


def _rows(service: Service, queue: Queue) -> RowOf:
    """Quick to read for data of the workspace, whose row groups the library keeps."""
    if "/" in queue.data:
        return rows_of(open_data(queue, service.home))
    version = service.library.version(queue.data)
    check_data(queue, version)
    table = table_of(version)
    return lambda number: read_row(service.library, table, number)


def blind(label: Label) -> Labelled:
    return Labelled(**{name: getattr(label, name) for name in Labelled.__struct_fields__})
