"""A queue that is done with. Labels that are in a version stay in it; all others would be lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import msgspec

from factory.looking.library import Library
from factory.people.collect import PERSON
from factory.people.queue import Item, Label
from factory.people.store import PeopleStore
from factory.people.tables import LABEL, select
from schemas.datasets import DatasetVersion, versions
from schemas.errors import ConflictError, CorruptError, DataError
from schemas.records import Judgement

HELD_IN = ("people_item", "people_said", "people_label", "people_look")
Vote = tuple[str, frozenset[str], float]  # who, on which two answers, when


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """`labels`: that it had, skips among them; `lost`: votes that are in no version."""

    name: str
    labels: int
    lost: int


def remove_queue(store: PeopleStore, name: str, *, losing: bool = False) -> Removed:
    """`losing`: even where labels would be lost.

    Raises:
        NotFoundError: no such queue.
        DataError: labels would be lost; says how many.
        ConflictError: somebody labels it just now.
    """
    labels = store.labels(name)
    lost = len(unexported(store, name, labels))
    if lost and not losing:
        raise DataError(
            f"queue {name}: {lost:,} of {len(labels):,} labels are in no version of this workspace and would be lost; "
            f"`factory people collect {name} --out NAME` makes one, and --yes removes them all the same"
        )
    with store.transaction() as connection:
        query = f"{select('people_label', LABEL)} WHERE queue = ? ORDER BY item, person"
        if [Label(**dict(row)) for row in connection.execute(query, (name,))] != labels:
            raise ConflictError(f"queue {name} is being labelled; try again")
        for table in HELD_IN:
            connection.execute(f"DELETE FROM {table} WHERE queue = ?", (name,))
        connection.execute("DELETE FROM people_queue WHERE name = ?", (name,))
    return Removed(name=name, labels=len(labels), lost=lost)


def unexported(store: PeopleStore, name: str, labels: Sequence[Label]) -> list[Label]:
    """Votes that no version of judgements in this workspace holds. A skip says nothing that could be lost."""
    votes = [label for label in labels if label.choice != "skip"]
    if not votes:
        return []
    held = {vote for version in _versions(store, name) for vote in _votes(version)}
    items = store.items(name)
    return [label for label in votes if _vote(label, items[label.item]) not in held]


def _vote(label: Label, item: Item) -> Vote:
    return label.person, frozenset((item.completion_a, item.completion_b)), label.time


def _versions(store: PeopleStore, queue: str) -> Iterator[DatasetVersion]:
    """Judgements that were made of this queue's labels. What is damaged holds nothing."""
    library = Library(store.home)
    for dataset in library.names():
        for number in versions(library.folder(dataset)):
            try:
                version = library.version(f"{dataset}@v{number}")
            except CorruptError:
                continue
            inputs = {ref.name for ref in version.manifest.inputs}
            if version.manifest.kind == "labels" and f"people:{queue}" in inputs:
                yield version


def _votes(version: DatasetVersion) -> Iterator[Vote]:
    for row in version.records():
        if isinstance(row, Judgement) and row.judge.startswith(PERSON):
            for each in json.loads(row.metadata or "{}").get("against", []):
                answers = frozenset((row.completion_id, each["completion_id"]))
                yield row.judge.removeprefix(PERSON), answers, each["time"]
