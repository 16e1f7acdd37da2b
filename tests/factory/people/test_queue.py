"""A queue: which pairs it holds, who sees which, in what order, and what a person may say and take back."""

from __future__ import annotations

import threading

import pytest
from scipy.stats import binomtest

from factory.people.queue import first_shown, majority
from factory.people.shown import open_data, rows_of, show
from factory.people.store import LOOK_S, PeopleStore
from schemas.errors import ConflictError, CorruptError, DataError, NotFoundError
from schemas.records import Message
from tests.factory.people.space import a_pair, an_answer, space

__all__ = ["space"]


def seen(space, item):
    """The pair as ann sees it."""
    queue = space.store.get("q")
    return show(queue, item, "ann", rows_of(open_data(queue, space.home)))


def test_a_queue_of_pairs_holds_each_row_once_in_an_order_that_the_seed_draws(space):
    data = space.pairs(20)
    one, again, other = (space.queue(name, data=data, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    rows = {queue.name: [item.row_a for item in space.store.items(queue.name)] for queue in (one, again, other)}
    assert sorted(rows["a"]) == list(range(20))
    assert rows["a"] == rows["b"] != rows["c"]
    assert rows["a"] != list(range(20))
    assert one.data == "pairs@v1"
    item = space.store.item("a", 3)
    assert (item.completion_a, item.completion_b) == (f"c{item.row_a}", f"r{item.row_a}")


def test_a_limit_draws_the_beginning_of_the_same_order(space):
    data = space.pairs(20)
    space.queue("all", data=data)
    space.queue("some", data=data, limit=7)
    assert space.store.items("some") == space.store.items("all")[:7]


def test_pairs_of_completions_are_drawn_for_each_prompt(space):
    rows = [an_answer(0, n) for n in range(5)] + [an_answer(1, n) for n in range(2)] + [an_answer(2, 0)]
    rows += [an_answer(3, n, text="the same") for n in range(3)]
    data = space.version("answers", rows)
    space.queue("q", data=data, pairs_per_prompt=4)
    items = space.store.items("q")
    by_prompt = {prompt: [item for item in items if item.prompt_id == prompt] for prompt in ("p0", "p1", "p2", "p3")}
    assert [len(found) for found in by_prompt.values()] == [4, 1, 0, 0]
    assert len({(item.row_a, item.row_b) for item in by_prompt["p0"]}) == 4
    assert all(0 <= item.row_a < item.row_b < 5 for item in by_prompt["p0"])
    assert (by_prompt["p1"][0].completion_a, by_prompt["p1"][0].completion_b) == ("p1-0", "p1-1")
    item = by_prompt["p0"][0]
    shown = seen(space, item)
    assert {shown.first[0].content, shown.second[0].content} == {
        f"answer {item.row_a} to 0",
        f"answer {item.row_b} to 0",
    }


def test_which_answer_comes_first_is_balanced_stable_and_each_persons_own():
    ann = [first_shown(7, item, "ann") for item in range(2000)]
    assert ann == [first_shown(7, item, "ann") for item in range(2000)]
    for other in (
        [first_shown(7, item, "bob") for item in range(2000)],
        [first_shown(8, i, "ann") for i in range(2000)],
    ):
        same = sum(a == b for a, b in zip(ann, other, strict=True))
        assert binomtest(same, 2000).pvalue > 1e-4
    assert binomtest(ann.count("a"), 2000).pvalue > 1e-4


def test_the_answer_that_is_shown_first_is_the_one_that_a_label_names(space):
    space.queue("q", data=space.pairs(12))
    swapped = 0
    for item in space.store.items("q"):
        shown = seen(space, item)
        label = space.store.label("q", "ann", item.number, "first")
        preferred = "a" if shown.first[0].content.startswith("good") else "b"
        assert (label.shown_first, label.word) == (preferred, preferred)
        assert space.store.label("q", "bob", item.number, "second").word != first_shown(0, item.number, "bob")
        swapped += preferred == "b"
    assert 0 < swapped < 12


def test_what_is_shown_is_blind(space):
    space.queue("q", data=space.pairs(3), rubric="Which is right?")
    shown = seen(space, space.store.item("q", 0))
    said = str(shown)
    for told in ("model-of", "chosen", "rejected", "secret", "exact", "c0", "r0", "a='", "score"):
        assert told not in said
    assert shown.rubric == "Which is right?"
    assert {turn.content[:4] for turn in (*shown.first, *shown.second)} == {"good", "bad "}


def test_next_gives_the_first_pair_that_lacks_votes_and_that_this_person_has_not_labelled(space):
    space.queue("q", data=space.pairs(3), votes=2)
    store = space.store
    assert store.next("q", "ann").number == 0
    assert store.next("q", "ann").number == 0  # the same until it is labelled
    store.label("q", "ann", 0, "first")
    assert store.next("q", "ann").number == 1
    assert store.next("q", "bob").number == 0
    store.label("q", "bob", 0, "tie")
    assert store.next("q", "cas").number == 1  # 0 has its two votes
    for number in (1, 2):
        store.label("q", "ann", number, "second")
    assert store.next("q", "ann") is None
    assert store.next("q", "bob").number == 2  # cas looks at 1, which lacks one vote
    store.label("q", "cas", 2, "tie")
    assert store.next("q", "bob").number == 1  # and now at none


def test_a_skip_is_no_vote_and_is_not_asked_again(space):
    space.queue("q", data=space.pairs(1))
    space.store.label("q", "ann", 0, "skip")
    assert space.store.next("q", "ann") is None
    assert space.store.next("q", "bob").number == 0
    assert space.store.item("q", 0).votes == 0


def test_two_people_who_begin_together_do_not_do_the_same_work(space):
    space.queue("q", data=space.pairs(2))
    store = space.store
    assert [store.next("q", person).number for person in ("ann", "bob")] == [0, 1]
    assert store.next("q", "cas") is None
    space.clock.now += LOOK_S + 1
    assert store.next("q", "cas").number == 0  # ann went away
    store.label("q", "ann", 0, "first")  # and came back: nothing is lost
    assert store.item("q", 0).votes == 1


def test_seconds_are_those_since_the_pair_was_given(space):
    space.queue("q", data=space.pairs(2))
    store = space.store
    store.next("q", "ann")
    space.clock.now += 5
    store.next("q", "ann")  # loaded again
    space.clock.now += 7.5
    assert store.label("q", "ann", 0, "first").seconds == 12.5
    store.next("q", "ann")
    space.clock.now += 3
    assert store.label("q", "ann", 1, "tie").seconds == 3
    assert store.label("q", "ann", 0, "second").seconds is None  # nobody saw how long it took


def test_a_person_may_change_their_mind_and_take_it_back(space):
    space.queue("q", data=space.pairs(3), votes=2)
    store = space.store
    for number in (0, 1):
        store.label("q", "ann", number, "first", note=f"note {number}")
    store.label("q", "bob", 0, "tie")
    store.label("q", "ann", 0, "skip", note="unsure")
    assert [(one.item, one.person, one.choice, one.note) for one in store.labels("q")] == [
        (0, "ann", "skip", "unsure"),
        (0, "bob", "tie", ""),
        (1, "ann", "first", "note 1"),
    ]
    assert [item.votes for item in store.items("q")] == [1, 1, 0]
    assert store.undo("q", "ann").item == 0  # changed last
    assert store.undo("q", "ann").item == 1
    assert store.undo("q", "ann") is None
    assert [(one.item, one.person) for one in store.labels("q")] == [(0, "bob")]
    assert [item.votes for item in store.items("q")] == [1, 0, 0]


def test_labels_of_several_people_at_once_are_all_there(space):
    space.queue("q", data=space.pairs(20), votes=4)

    def work(person):
        with PeopleStore(space.home) as store:
            while (item := store.next("q", person)) is not None:
                store.label("q", person, item.number, "first")

    threads = [threading.Thread(target=work, args=(person,)) for person in ("ann", "bob", "cas", "dan")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(space.store.labels("q")) == 80
    assert {item.votes for item in space.store.items("q")} == {4}


def test_what_most_people_say():
    assert [majority(words) for words in ((), ("a",), ("a", "b"), ("a", "b", "b"), ("a", "tie"), ("tie", "tie"))] == [
        None,
        "a",
        "tie",
        "b",
        "a",
        "tie",
    ]


@pytest.mark.parametrize(
    ("person", "choice", "more", "said"),
    [
        ("Ann B", "first", {}, "person 'Ann B'"),
        ("../x", "first", {}, "person"),
        ("ann", "third", {}, "choice 'third'"),
        ("ann", "first", {"note": "x" * 2001}, "2,001 characters"),
        ("ann", "first", {"note": "\ud800"}, "not Unicode"),
        ("ann", "first", {"seconds": float("nan")}, "seconds nan"),
        ("ann", "first", {"seconds": -1.0}, "seconds -1"),
    ],
)
def test_what_is_no_label_is_refused(space, person, choice, more, said):
    space.queue("q")
    with pytest.raises(DataError, match=said):
        space.store.label("q", person, 0, choice, **more)
    assert space.store.labels("q") == []


def test_what_is_not_there_is_said(space):
    space.queue("q")
    for number in (-1, 6, 2**80):
        with pytest.raises(NotFoundError, match="no pair"):
            space.store.label("q", "ann", number, "first")
    for call in (space.store.get, space.store.items, space.store.labels):
        with pytest.raises(NotFoundError, match="no queue 'x'"):
            call("x")
    with pytest.raises(ConflictError, match="there is a queue 'q'"):
        space.queue("q", data="pairs@v1")


def test_data_that_cannot_be_compared_is_refused(space):
    answers = space.version("answers", [an_answer(0, 0, text="same"), an_answer(0, 1, text="same")])
    twins = space.version("twins", [a_pair(0, completion_id_rejected="c0")])
    pairs = space.pairs()
    refused = space.refused
    assert "--pairs-per-prompt" in refused("people", "queue", "q", "--data", answers)
    assert "nothing to compare" in refused("people", "queue", "q", "--data", answers, "--pairs-per-prompt", 1)
    assert "leave out --pairs-per-prompt" in refused("people", "queue", "q", "--data", pairs, "--pairs-per-prompt", 1)
    assert "row 0: both answers have the id 'c0'" in refused("people", "queue", "q", "--data", twins)
    assert "queue 'Q x'" in refused("people", "queue", "Q x", "--data", pairs)
    assert "0 votes" in refused("people", "queue", "q", "--data", pairs, "--votes", 0)
    assert "--limit 0" in refused("people", "queue", "q", "--data", pairs, "--limit", 0)
    assert "no version v9" in refused("people", "queue", "q", "--data", "pairs@v9")
    assert space.store.queues() == []


def test_a_version_that_is_not_the_one_of_then_is_not_shown(space):
    space.queue("q")
    item = space.store.item("q", 0)
    (space.home / "pairs").rename(space.home / "gone")
    with pytest.raises(NotFoundError):
        seen(space, item)
    space.version("pairs", [a_pair(number, source="other") for number in range(6)])
    with pytest.raises(CorruptError, match="not the version that queue q was made of"):
        seen(space, item)


def test_hostile_text_is_kept_as_it_is_and_shown_as_it_is(space):
    nasty = "<script>alert(1)</script>\x1b[31m\u202e{{ 7*7 }}\x00'; DROP TABLE people_label; --"
    data = space.version("pairs", [a_pair(0, chosen=[Message("assistant", nasty)], prompt=[Message("user", nasty)])])
    space.queue("q", data=data, rubric=nasty)
    shown = seen(space, space.store.item("q", 0))
    assert nasty in (shown.first[0].content, shown.second[0].content)
    assert (shown.prompt[0].content, shown.rubric) == (nasty, nasty.strip())
    space.store.label("q", "ann", 0, "first", note=nasty)
    assert space.store.labels("q")[0].note == nasty
    code, out, _ = space.run("people", "show", "q")
    assert code == 0
    assert "\x1b" not in out
    assert "\u202e" not in out
