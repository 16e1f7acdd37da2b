"""Removing a queue: what is in a version stays, and what is in none is counted before it goes."""

import pytest

from factory.people.removal import remove_queue
from factory.people.tables import TABLES
from factory.service.api.people import overview_of
from schemas.errors import ConflictError, NotFoundError
from tests.factory.people.space import space
from tests.factory.people.test_route import two_judges
from tests.factory.service.space import asked

__all__ = ["space"]

WANTED = {0: "a", 1: "b", 2: "tie", 3: "skip"}


def labelled(space, name="q", data=None):
    space.queue(name, data=data or space.pairs(4))
    space.prefer(name, "ann", WANTED)


def rows_of(space, queue):
    tables = [table.split("(")[0].split()[-1] for table in TABLES if "TABLE" in table]
    return sum(
        space.store.rows(
            f"SELECT count(*) FROM {table} WHERE {'name' if table == 'people_queue' else 'queue'} = ?", queue
        )[0][0]
        for table in tables
    )


def test_labels_of_no_version_are_counted_and_want_a_yes(space):
    labelled(space)
    labelled(space, "other", data="pairs@v1")
    assert "3 of 4 labels are in no version" in space.refused("people", "rm", "q")
    assert len(space.store.labels("q")) == 4
    removed = space.done("people", "rm", "q", "--yes")
    assert removed == {"name": "q", "labels": 4, "lost": 3}
    assert rows_of(space, "q") == 0
    assert len(space.store.labels("other")) == 4
    assert "no queue" in space.refused("people", "rm", "q")


def test_what_was_collected_is_not_lost(space):
    labelled(space)
    space.done("people", "collect", "q", "--out", "human")
    number = next(item.number for item in space.store.items("q") if item.row_a == 0)
    space.clock.now += 60
    space.say("q", "ann", number, "b")  # another mind
    space.say("q", "ben", number, "b")
    assert "2 of 5 labels" in space.refused("people", "rm", "q")
    space.done("people", "collect", "q", "--out", "human")
    assert space.done("people", "rm", "q") == {"name": "q", "labels": 5, "lost": 0}
    assert {row.judge for row in space.records("human@v2")} == {"person:ann", "person:ben"}


def test_pairs_alone_do_not_hold_who_said_what(space):
    labelled(space)
    space.done("people", "collect", "q", "--out", "final", "--pairs")
    assert "3 of 4 labels" in space.refused("people", "rm", "q")


def test_judges_words_go_with_a_routed_queue(space):
    data, one, two = two_judges(space)
    space.done("people", "route", "--data", data, "--queue", "q", "--judgements", one, "--judgements", two)
    assert space.done("people", "rm", "q")["labels"] == 0
    assert rows_of(space, "q") == 0


def test_a_label_that_comes_meanwhile_is_not_lost(space):
    labelled(space)
    real = space.store.items

    def late(name):
        space.say("q", "ben", 0, "tie")
        return real(name)

    space.store.items = late
    with pytest.raises(ConflictError, match="being labelled"):
        remove_queue(space.store, "q", losing=True)
    assert len(space.store.labels("q")) == 5
    with pytest.raises(NotFoundError):
        remove_queue(space.store, "nowhere")


async def test_another_queue_of_the_same_name_is_looked_at_anew(space):
    space.queue("q", data=space.pairs(4))
    async with asked(space.home) as client:
        service = client.app.state.service
        assert overview_of(service, "q").line.pairs == 4
        remove_queue(space.store, "q")
        space.clock.now += 1
        space.queue("q", data="pairs@v1", limit=2)
        assert overview_of(service, "q").line.pairs == 2
