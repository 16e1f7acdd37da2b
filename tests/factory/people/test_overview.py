"""Agreement on a queue, against numbers by hand and the same figures of `factory agreement`."""

from __future__ import annotations

import json

import pytest

from factory.people.agreement import agreements, first_wins
from factory.people.overview import overview
from factory.people.queue import Item, Label, Queue
from judges.agreement.bootstrap import Resampling
from tests.factory.people.space import space
from tests.factory.people.test_collect import WANTED, labelled

__all__ = ["space"]
HOW = Resampling(resamples=200)


def found(overview, one, other):
    return next(each for each in overview.agreement if (each.one, each.other) == (one, other))


def test_people_and_each_judge_by_hand(space):
    judged = space.judged("judged", {0: (1, 0), 1: (1, 0), 2: (1, 0), 3: (0, 1), 4: (1, 0), 5: (0.5, 0.5)}, "alpha")
    labelled(space, judgements=[judged])
    seen = overview(space.store, "q", HOW)
    alpha = found(seen, "ann", "alpha")  # ann: a b tie a - a; alpha: a a a b a tie
    assert (alpha.pairs, alpha.tied_by_one, alpha.tied_by_other) == (5, 1, 1)
    assert (alpha.alike.value, alpha.alike.n) == (pytest.approx(1 / 3), 3)
    # alike on 1 of 5; by chance both prefer the same side in half of 0.8 * 0.8, and tie together in 0.2 * 0.2
    expected = 0.8 * 0.8 / 2 + 0.2 * 0.2
    assert alpha.kappa.value == pytest.approx((1 / 5 - expected) / (1 - expected))
    chosen = found(seen, "ann", "chosen")  # 3 of the 4 that ann orders
    assert (chosen.alike.value, chosen.pairs) == (pytest.approx(3 / 4), 5)
    assert chosen.alike.low < chosen.alike.value < chosen.alike.high


def test_which_answer_is_called_a_plays_no_part():
    """Turned round in every second pair, with all words turned too: the same agreement and the same kappa."""
    words = [("a", "a"), ("a", "a"), ("a", "b"), ("a", "tie"), ("tie", "a"), ("a", "a")] * 3
    flip = {"a": "b", "b": "a", "tie": "tie"}
    turned = [(flip[x], flip[y]) if place % 2 else (x, y) for place, (x, y) in enumerate(words)]
    first, second = (_agreement(each) for each in (words, turned))
    assert first == second
    assert first[1] != 0


def _agreement(words):
    queue = Queue(name="q", data="d@v1", sha256="", kind="completions", rubric="")
    items = [_item(number) for number in range(len(words))]
    labels = [
        _label(number, person, word)
        for number, both in enumerate(words)
        for person, word in zip("xy", both, strict=True)
    ]
    [most_x] = [one for one in agreements(queue, items, labels, [], HOW) if (one.one, one.other) == ("x", "y")]
    return most_x.alike.value, most_x.kappa.value, most_x.pairs


def _item(number):
    return Item(number=number, row_a=number, row_b=number, prompt_id=f"p{number}", completion_a="a", completion_b="b")


def _label(number, person, word, shown="a"):
    choice = "tie" if word == "tie" else "first" if word == shown else "second"
    return Label(item=number, person=person, choice=choice, shown_first=shown, time=0.0)


def test_preferences_alike_as_factory_agreement_has_them(space):
    judged = space.judged("judged", {0: (1, 0), 1: (1, 0), 2: (0, 1), 3: (0, 1), 4: (1, 0), 5: (1, 0)}, "alpha")
    labelled(space, judgements=[judged])
    mine = found(overview(space.store, "q", Resampling()), "ann", "alpha")
    space.done("people", "collect", "q", "--out", "human")
    theirs = space.done("agreement", "human@v1", judged, "--judge-a", "person:ann")["preferences"]["agreement"]
    assert mine.alike.value == pytest.approx(theirs["value"])
    assert (mine.alike.low, mine.alike.high) == (pytest.approx(theirs["low"]), pytest.approx(theirs["high"]))


def test_most_people_and_each_of_them(space):
    space.queue("q", data=space.pairs(6), votes=3)
    space.prefer("q", "ann", WANTED)
    for person in ("bob", "cas"):
        space.prefer("q", person, dict.fromkeys(range(6), "b"))
    seen = overview(space.store, "q", HOW)
    assert found(seen, "people", "chosen").alike.value == 0.0  # two of three say b everywhere
    assert found(seen, "bob", "cas").alike.value == 1.0
    assert found(seen, "ann", "bob").alike.value == pytest.approx(1 / 4)
    assert [(one.person, one.labels, one.ties, one.skipped) for one in seen.people] == [
        ("ann", 6, 1, 1),
        ("bob", 6, 0, 0),
        ("cas", 6, 0, 0),
    ]
    assert (seen.line.pairs, seen.line.asked, seen.line.done, seen.line.labels) == (6, 6, 5, 18)


def test_who_always_takes_the_first_is_seen(space):
    items = [_item(number) for number in range(40)]
    always = [Label(item=n, person="x", choice="first", shown_first="ab"[n % 2], time=0.0) for n in range(40)]
    assert first_wins(always, items, HOW).value == 1.0
    careful = [_label(number, "x", "a", "ab"[number % 2]) for number in range(40)]
    figure = first_wins(careful, items, HOW)
    assert figure.value == 0.5
    assert figure.low < 0.5 < figure.high


def test_the_command_shows_it(space):
    judged = space.judged("judged", dict.fromkeys(range(6), (1, 0)), "alpha")
    labelled(space, judgements=[judged])
    told = space.done("people", "show", "q")
    assert told["line"]["queue"]["data"] == "pairs@v1"
    assert {(one["one"], one["other"]) for one in told["agreement"]} == {("ann", "alpha"), ("ann", "chosen")}
    code, out, _ = space.run("people", "show", "q")
    assert code == 0
    assert "ann and alpha: alike" in out
    assert "0.750" in out
    [line] = space.done("people", "ls")
    assert (line["queue"]["name"], line["done"], line["labels"]) == ("q", 5, 6)
    assert json.dumps(line)
