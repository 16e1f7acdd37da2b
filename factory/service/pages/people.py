"""Pages on which people label pairs, one at a time, and the forms that say which answer is better."""

from __future__ import annotations

from typing import Annotated, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response

from factory.page.people import pair_page, people_page, queue_page
from factory.people.overview import Next, count_mine, queue_line, queue_lines
from factory.people.queue import Choice, check_name
from factory.service.api.people import QueueName, next_of, overview_of, shown_to
from factory.service.around import frame_of
from factory.service.names import MOST_NUMBER
from factory.service.pages.forms import Form, go_to, page
from factory.service.state import Here, Service
from schemas.errors import DataError

router = APIRouter(include_in_schema=False)
Name = Annotated[str, Query(max_length=100)]


@router.get("/people")
def show_queues(service: Here) -> Response:
    return page(people_page(frame_of(service), queue_lines(service.people_store)))


@router.get("/people/{queue}")
def show_queue(
    queue: QueueName,
    service: Here,
    person: Name = "",
    item: Annotated[int | None, Query(ge=0, le=MOST_NUMBER)] = None,
) -> Response:
    """With a person the pair to label: the next one, or one that is named to think again about it."""
    if not person:
        return page(queue_page(frame_of(service), overview_of(service, queue)))
    name = person.strip().lower()
    check_name("person", name)
    found = next_of(service, queue, name) if item is None else _again(service, queue, name, item)
    return page(pair_page(frame_of(service), found, name))


@router.post("/people/{queue}/label")
def say(queue: QueueName, service: Here, form: Form) -> Response:
    person = form.get("person", "")
    choice = cast(Choice, form.get("choice", ""))  # the store refuses what is none
    note = form.get("note", "").replace("\r\n", "\n")  # as browsers send new lines
    service.people_store.label(queue, person, _number(form), choice, note=note)
    return go_to(_path(queue, person=person))


@router.post("/people/{queue}/undo")
def take_back(queue: QueueName, service: Here, form: Form) -> Response:
    person = form.get("person", "")
    label = service.people_store.undo(queue, person)
    return go_to(_path(queue, person=person) if label is None else _path(queue, person=person, item=str(label.item)))


def _again(service: Service, queue: str, person: str, number: int) -> Next:
    store = service.people_store
    return Next(
        pair=shown_to(service, queue, person, number),
        mine=count_mine(store, queue, person),
        queue=queue_line(store, queue),
    )


def _path(queue: str, **query: str) -> str:
    return f"/people/{queue}?{urlencode(query)}"


def _number(form: dict[str, str]) -> int:
    text = form.get("item", "")
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise DataError(f"item: {text[:20]!r} is no number of a pair")
    return int(text)
