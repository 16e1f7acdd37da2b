"""Labels as a version: what each row says, that the books balance, and that `factory agreement` reads it."""

from __future__ import annotations

import json

import pytest

from factory.people.make import NewQueue, route
from tests.factory.people.space import an_answer, space
from tests.factory.people.test_route import two_judges

__all__ = ["space"]

WANTED = {0: "a", 1: "b", 2: "tie", 3: "a", 4: "skip", 5: "a"}  # by row


def collected(space, queue="q", out="human", *words):
    return space.done("people", "collect", queue, "--out", out, *words)


def books(manifest):
    return {
        count["stage"]: (count["rows_in"], count["rows_out"], count["dropped"], count.get("noted", {}))
        for count in manifest["counters"]
    }


def by_answer(rows, judge):
    return {row.completion_id: row for row in rows if row.judge == judge}


def labelled(space, **changes):
    space.queue("q", data=space.pairs(6), rubric="Which helps more?", **changes)
    space.prefer("q", "ann", WANTED)


def test_labels_become_judgements_of_each_answer(space):
    labelled(space)
    space.say("q", "ann", next(item.number for item in space.store.items("q") if item.row_a == 0), "a", note="clearer")
    made = collected(space)
    rows = by_answer(space.records("human@v1"), "person:ann")
    scores = {answer: row.score for answer, row in rows.items()}
    assert scores == {
        **{"c0": 1.0, "r0": 0.0, "c1": 0.0, "r1": 1.0, "c2": 0.5, "r2": 0.5},
        **{"c3": 1.0, "r3": 0.0, "c5": 1.0, "r5": 0.0},
    }
    assert (made["kind"], made["rows"], made["licences"]) == ("labels", 10, ["MIT"])
    assert books(made) == {"pairs": (6, 5, {"skipped": 1}, {}), "labels": (6, 5, {"skipped": 1}, {})}
    row = rows["c0"]
    assert (row.prompt_id, row.verdict, row.reason) == ("p0", "correct", "1 wins, 0 ties, 0 losses: clearer")
    metadata = json.loads(row.metadata)
    [against] = metadata.pop("against")
    assert metadata == {"comparisons": 1, "wins": 1, "losses": 0, "ties": 0}
    assert (against["completion_id"], against["result"], against["note"]) == ("r0", "win", "clearer")
    first = {json.loads(rows[answer].metadata)["against"][0]["shown_first"] for answer in ("c0", "r0")}
    assert first == {True, False}


def test_provenance_names_the_data_and_the_labels(space):
    labelled(space)
    made = collected(space)
    data, said = made["inputs"]
    assert (data["name"], data["version"], data["sha256"]) == ("pairs", 1, space.manifest("pairs@v1").sha256)
    assert (said["name"], said["version"]) == ("people:q", None)
    assert (made["recipe"]["rubric"], made["recipe"]["queue"], made["recipe"]["kind"]) == (
        "Which helps more?",
        "q",
        "people",
    )
    again = collected(space)
    assert (again["version"], again["sha256"]) == (1, made["sha256"])  # the same labels, the same version
    space.store.undo("q", "ann")
    later = collected(space)
    assert later["version"] == 2
    assert later["inputs"][1]["sha256"] != said["sha256"]
    rejected = {(row.stage, row.kind, row.outcome) for row in _rejections(space, "human@v2")}
    assert ("pairs", "unlabelled", "dropped") in rejected


def _rejections(space, ref):
    from schemas.datasets import open_version

    return list(open_version(ref, space.home).rejections())


def test_agreement_of_a_person_and_a_judge(space):
    """Four pairs that both order, of which three alike; kappa of the verdicts as in the book."""
    labelled(space)
    judged = space.judged("judged", {0: (1, 0), 1: (0, 1), 2: (1, 0), 3: (0, 1), 4: (1, 0), 5: (1, 0)}, "alpha")
    collected(space)
    code, out, err = space.run("agreement", "human@v1", judged, "--judge-a", "person:ann", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["a"]["judge"], found["a"]["rows"], found["rows"]["both_scored"]) == ("person:ann", 10, 10)
    preferences = found["preferences"]
    assert preferences["agreement"]["value"] == pytest.approx(3 / 4)
    assert (preferences["pairs"], preferences["tied_by_a"], preferences["tied_by_b"]) == (5, 1, 0)
    assert found["a"]["flip_rate"]["value"] is None  # a person sees each pair in one order
    # correct and wrong of 10 answers: ann 4 and 6, alpha 5 and 5; alike on 7
    assert found["verdicts"]["agreement"]["value"] == pytest.approx(0.7)
    assert found["verdicts"]["kappa"]["value"] == pytest.approx((0.7 - 0.5) / 0.5)


def test_several_people_are_judges_side_by_side(space):
    space.queue("q", data=space.pairs(6), votes=2)
    space.prefer("q", "ann", WANTED)
    space.prefer("q", "bob", dict.fromkeys(range(6), "a"))
    made = collected(space)
    assert books(made)["labels"] == (12, 11, {"skipped": 1}, {})
    assert books(made)["pairs"] == (6, 6, {}, {})
    code, out, err = space.run(
        "agreement", "human@v1", "human@v1", "--judge-a", "person:ann", "--judge-b", "person:bob", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["preferences"]["agreement"]["value"] == pytest.approx(3 / 4)


def test_an_answer_in_several_pairs_has_one_judgement(space):
    data = space.version("answers", [an_answer(0, n) for n in range(3)])
    space.queue("q", data=data, pairs_per_prompt=3)
    best = {0: 3, 1: 2, 2: 1}
    for item in space.store.items("q"):
        space.say("q", "ann", item.number, "a" if best[item.row_a] > best[item.row_b] else "b")
    made = collected(space)
    rows = by_answer(space.records("human@v1"), "person:ann")
    assert {answer: row.score for answer, row in rows.items()} == {"p0-0": 1.0, "p0-1": 0.5, "p0-2": 0.0}
    metadata = json.loads(rows["p0-1"].metadata)
    assert (metadata["comparisons"], metadata["wins"], metadata["losses"]) == (2, 1, 1)
    assert {one["completion_id"]: one["result"] for one in metadata["against"]} == {"p0-0": "loss", "p0-2": "win"}
    assert made["rows"] == 3


def test_a_routed_queue_gives_all_pairs_with_who_decided(space):
    data, one, two = two_judges(space)
    route(space.store, NewQueue(name="q", data=data, judgements=[one, two]))
    space.prefer("q", "ann", {1: "b", 4: "a", 5: "skip", 6: "tie"})
    made = collected(space)
    assert books(made)["pairs"] == (7, 6, {"skipped": 1}, {"decided by judges": 3, "decided by people": 3})
    assert [one["name"] for one in made["inputs"]] == ["pairs", "one", "two", "people:q"]
    rows = by_answer(space.records("human@v1"), "routed")
    assert {answer: row.score for answer, row in rows.items() if answer.startswith("c")} == {
        "c0": 1.0,
        "c1": 0.0,
        "c2": 0.0,
        "c3": 0.5,
        "c4": 1.0,
        "c6": 0.5,
    }
    [judges] = json.loads(rows["c0"].metadata)["against"]
    assert (judges["decided_by"], judges["judges"], judges["reason"]) == ("judges", ["alpha", "beta"], "agree")
    [people] = json.loads(rows["r1"].metadata)["against"]
    assert (people["decided_by"], people["reason"], people["result"]) == ("people", "disagree", "win")
    assert people["votes"] == {"for": 1, "against": 0, "ties": 0}
    assert set(by_answer(space.records("human@v1"), "person:ann")) == {"c1", "r1", "c4", "r4", "c6", "r6"}


def test_a_routed_queue_as_pairs_to_train_on(space):
    data, one, two = two_judges(space)
    route(space.store, NewQueue(name="q", data=data, judgements=[one, two], votes=3))
    for person, word in (("ann", "b"), ("bob", "b"), ("cas", "tie")):
        space.prefer("q", person, {1: word, 4: "a", 5: "skip", 6: "tie"})
    made = collected(space, "q", "final", "--pairs")
    assert books(made)["pairs"] == (7, 6, {"skipped": 1}, {"decided by judges": 3, "decided by people": 3})
    assert books(made)["preference"] == (6, 4, {"tie": 2}, {})
    rows = {row.prompt_id: row for row in space.records("final@v1")}
    assert list(rows) == ["p0", "p1", "p2", "p4"]
    assert {name: row.completion_id_chosen for name, row in rows.items()} == {
        "p0": "c0",
        "p1": "r1",
        "p2": "r2",
        "p4": "c4",
    }
    turned = rows["p1"]
    assert (turned.chosen[0].content, turned.rejected[0].content) == ("bad answer 1", "good answer 1")
    assert (turned.model_chosen, turned.model_rejected) == ("model-of-rejected", "model-of-chosen")
    assert (turned.judge, rows["p0"].judge) == ("people", "alpha and beta")
    assert (turned.score_chosen, turned.score_rejected) == (pytest.approx(2.5 / 3), pytest.approx(0.5 / 3))
    told = json.loads(turned.metadata)["preference"]
    assert (told["decided_by"], told["votes"]) == ("people", {"for": 2, "against": 0, "ties": 1})


def test_completions_become_pairs_to_train_on(space):
    data = space.version("answers", [an_answer(p, n, model=f"m{n}") for p in range(3) for n in range(3)])
    space.queue("q", data=data, pairs_per_prompt=2)
    for item in space.store.items("q"):
        space.say("q", "ann", item.number, "b")
    made = collected(space, "q", "final", "--pairs")
    assert made["rows"] == 6
    items = {(item.completion_b, item.completion_a) for item in space.store.items("q")}
    rows = space.records("final@v1")
    assert {(row.completion_id_chosen, row.completion_id_rejected) for row in rows} == items
    assert all(row.model_chosen == f"m{row.completion_id_chosen[-1]}" for row in rows)
    assert all(row.chosen[0].content == f"answer {row.completion_id_chosen[-1]} to {row.prompt_id[1:]}" for row in rows)


def test_nothing_labelled_is_nothing_made(space):
    space.queue("q", data=space.pairs(2))
    err = space.refused("people", "collect", "q", "--out", "human", code=3)
    assert "2 unlabelled (pairs)" in err
    assert "no queue 'x'" in space.refused("people", "collect", "x", "--out", "human")
