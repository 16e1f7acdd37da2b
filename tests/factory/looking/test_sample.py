"""A row as it is shown: turns, differences, judgements, the ledger's answer, and texts that are cut."""

import json
import sqlite3
from contextlib import closing

import msgspec
import pytest

from factory.ledger import Entry, Ledger
from factory.looking.sample import AT_ONCE, full_text, raw_row, show_row
from factory.loop import run_loop
from factory.sampling.types import Answer
from factory.workspace import ledger_path
from schemas.datasets import open_version
from schemas.errors import NotFoundError
from schemas.records import Message
from tests.factory.looking.workspace import library, version
from tests.schemas.rows import completion, judgement, pair, pass_rate, prompt, rejection, trace

LONG = "ab" * 5000
HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m{{7*7}}\x00"


def shown(home, row, dropped=(), number=0, **more):
    return show_row(library(home), version(home, "some", [row], dropped), number, **more)


def test_a_pair_has_two_sides_and_their_differences(tmp_path):
    metadata = {
        "preference": {
            "margin": 0.5,
            "candidates": [
                {"completion_id": "c", "score": 1.0, "scores": {"aspects": 0.9, "exact": 1.0}},
                {"completion_id": "r", "score": 0.5, "scores": {"aspects": 0.4}},
            ],
            "reasons": {"chosen": {"exact": "equal"}, "rejected": {"aspects": "too short"}},
        }
    }
    row = pair(0, metadata=json.dumps(metadata), n_chosen_tokens=9, n_rejected_tokens=4)
    found = shown(tmp_path, row)
    assert (found.kind, found.key, found.of) == ("preference", f"{0:016x}", 1)
    assert [turn.role for turn in found.prompt] == ["system", "user"]
    chosen, rejected = found.answers
    assert (chosen.label, chosen.score, chosen.tokens, chosen.model) == ("chosen", 1.0, 9, "a")
    assert chosen.turns[0].reasoning.text == "Two and two make four."
    assert [(one.judge, one.score) for one in chosen.judged] == [("aspects", 0.9), ("exact", 1.0)]
    assert chosen.judged[1].reason.text == "equal"
    assert (rejected.judged[0].judge, rejected.judged[0].reason.text) == ("aspects", "too short")
    assert [piece.text for piece in found.differences.first if piece.kind == "only_first"] == ["4"]
    assert (found.differences.characters, found.differences.tokens, found.differences.is_whole) == (0, 5, True)


def test_long_texts_are_cut_and_say_by_how_much(tmp_path):
    row = pair(0, chosen=[Message("assistant", LONG, LONG)], rejected=[Message("assistant", "x" + LONG)])
    found = shown(tmp_path, row, characters=100)
    text = found.answers[0].turns[0].content
    assert (text.text, text.more, text.path) == (LONG[:100], 9900, "chosen[0].content")
    assert found.answers[0].characters == 20_000
    assert found.answers[0].turns[0].reasoning.more == 9900
    assert not found.differences.is_whole
    assert sum(len(piece.text) for piece in found.differences.first) == 100
    whole = full_text(library(tmp_path), "some", 0, text.path)
    assert (whole.text, whole.characters) == (LONG, 10_000)


def texts_in(value):
    """Every text of a sample, with its path."""
    if isinstance(value, dict):
        if "path" in value:
            yield value
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)


PLACES = json.dumps({"family": "sums", "nothing": None, "deep": {"a": {"b": {"c": {"d": [1]}}}}, "list": ["x", {}]})
ROWS = [
    prompt(0, metadata=PLACES, ground_truth="4"),
    completion(0, metadata=PLACES, prompt=[]),
    trace(0, metadata="no json"),
    judgement(0, raw="SCORE: 9"),
    pair(0, metadata=PLACES),
    pass_rate(0, ground_truth=""),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
def test_every_text_that_is_shown_can_be_had_whole(tmp_path, row):
    ref = version(tmp_path, "some", [row], [rejection(0, row=msgspec.json.encode(row).decode(), metadata=PLACES)])
    shelf = library(tmp_path)
    for part in ("rows", "rejections"):
        found = msgspec.to_builtins(show_row(shelf, ref, 0, part=part, characters=3))
        for text in texts_in(found):
            whole = full_text(shelf, ref, 0, text["path"], part=part)
            assert whole.text[:3] == text["text"], text
            assert whole.characters == len(text["text"]) + text["more"]
    assert raw_row(shelf, ref, 0) == msgspec.to_builtins(row)


def test_a_dropped_row_is_shown_with_why(tmp_path):
    gone = pair(3, metadata=PLACES)
    told = rejection(0, row=msgspec.json.encode(gone).decode(), reason="the same twice", kind="identical")
    ref = version(tmp_path, "some", [pair(0)], [told, rejection(1, row="{}"), rejection(2)])
    shelf = library(tmp_path)
    found = show_row(shelf, ref, 0, part="rejections")
    assert (found.kind, found.dropped) == ("rejection", "judge: identical: the same twice")
    assert [answer.label for answer in found.answers] == ["chosen", "rejected"]
    assert found.answers[0].turns[0].content.path == "row.chosen[0].content"
    assert found.differences is not None
    other = show_row(shelf, ref, 1, part="rejections")
    assert [fact.value.text for fact in other.facts if fact.name == "row"] == ["{}"]
    assert show_row(shelf, ref, 2, part="rejections").answers == []


def test_a_rollout_tells_its_reward(tmp_path):
    facts = {"reward": 0.5, "parts": {"verifier": 1.0, "rubric": 0.0}, "said": {"rubric": "rude"}, "correct": True}
    row = completion(0, metadata=json.dumps({"rollout": {**facts, "reason": "verifier +1"}}))
    [answer] = shown(tmp_path, row).answers
    assert answer.score == 0.5
    told = {one.judge: (one.score, one.verdict, one.reason and one.reason.text) for one in answer.judged}
    assert told == {
        "reward": (0.5, "correct", "verifier +1"),
        "verifier": (1.0, None, None),
        "rubric": (0.0, None, "rude"),
    }


@pytest.mark.parametrize(
    "metadata",
    ['{"rollout": 3}', '{"rollout": {"parts": [1], "reason": 5}}', '{"best_of": {"candidates": {"a": 1}}}', "[", "7"],
)
def test_metadata_of_strangers_is_shown_as_it_is(tmp_path, metadata):
    found = shown(tmp_path, completion(0, metadata=metadata))
    assert found.answers[0].score is None
    assert found.metadata or [fact.value.text for fact in found.facts if fact.name == "metadata"] == [metadata]


def test_labels_of_the_workspace_are_told_with_the_answer(tmp_path):
    rows = [completion(number) for number in range(40)]
    answers = version(tmp_path, "answers", rows)
    source = open_version(answers, tmp_path).ref
    in_order = [judgement(number, judge=judge, reason=judge) for number in range(40) for judge in ("a", "b")]
    version(tmp_path, "labels", in_order, inputs=[source])
    version(tmp_path, "more", [judgement(39, judge="c", score=0.0, verdict="wrong")] * 2, inputs=[source])
    version(tmp_path, "others", [judgement(7, judge="d")], inputs=[])
    [answer] = show_row(library(tmp_path), answers, 7).answers
    assert [(one.judge, one.source) for one in answer.judged] == [("a", "labels@v1"), ("b", "labels@v1")]
    reason = answer.judged[1].reason
    assert full_text(library(tmp_path), answers, 7, reason.path).text == reason.text == "b"
    [answer] = show_row(library(tmp_path), answers, 39).answers
    assert [(one.judge, one.score) for one in answer.judged[2:]] == [("c", 0.0), ("c", 0.0)]


def test_labels_in_another_order_are_found_too(tmp_path):
    rows = [completion(number) for number in range(3000)]
    answers = version(tmp_path, "answers", rows, per_shard=5000)
    source = open_version(answers, tmp_path).ref
    backwards = [judgement(number) for number in reversed(range(3000))]
    version(tmp_path, "labels", backwards, inputs=[source], per_shard=5000)
    [answer] = show_row(library(tmp_path), answers, 2990).answers
    assert [one.source for one in answer.judged] == ["labels@v1"]


def test_the_answer_as_it_came_is_read_from_the_ledger(tmp_path):
    keys = ["a" * 64, "b" * 64]
    ledger = Ledger(ledger_path(tmp_path))

    async def keep():
        for key, text in zip(keys, ("<think>hm</think>4", LONG), strict=True):
            answer = Answer(text=text, finish_reason="stop", n_prompt_tokens=3, n_completion_tokens=5)
            await ledger.keep(Entry(key, "tiny", "build-1", 1.5, answer))

    run_loop(keep())
    ledger.close()
    metadata = json.dumps({"trace": {"continued": [keys[1], "c" * 64, 7]}})
    found = shown(tmp_path, trace(0, request_key=keys[0], metadata=metadata), characters=50)
    assert [one.request_key for one in found.exchanges] == keys
    first, second = found.exchanges
    assert (first.text.text, first.seconds, first.build_id) == ("<think>hm</think>4", 1.5, "build-1")
    assert [turn.role for turn in first.asked] == ["system", "user"]
    assert full_text(library(tmp_path), "some", 0, second.text.path).text == LONG
    with closing(sqlite3.connect(ledger_path(tmp_path))) as connection:
        connection.execute("DROP TABLE answers")
    assert "ledger cannot be read" in show_row(library(tmp_path), "some", 0).exchange_problem


def test_looking_makes_no_ledger(tmp_path):
    assert shown(tmp_path, trace(0, request_key="a" * 64)).exchanges == []
    assert not ledger_path(tmp_path).exists()


def test_hostile_texts_come_as_they_are(tmp_path):
    row = pair(
        0,
        prompt=[Message(HOSTILE, HOSTILE)] * 300,
        chosen=[Message("assistant", HOSTILE)],
        rejected=[],
        judge=HOSTILE,
        metadata=json.dumps({HOSTILE: HOSTILE}),
    )
    found = shown(tmp_path, row)
    assert found.left_out == 100
    assert found.prompt[0].content.text == HOSTILE
    assert found.metadata[0].value.text == HOSTILE
    assert found.differences.second == []
    assert msgspec.json.decode(msgspec.json.encode(found))["answers"][0]["turns"][0]["content"]["text"] == HOSTILE


def test_a_giant_text_is_given_in_parts(tmp_path):
    text = "0123456789" * 250_000
    ref = version(tmp_path, "some", [trace(0, raw=text)])
    shelf = library(tmp_path)
    parts = [full_text(shelf, ref, 0, "raw", start=start) for start in range(0, 3 * AT_ONCE, AT_ONCE)]
    assert "".join(part.text for part in parts) == text
    assert parts[0].characters == 2_500_000


NOWHERE = ["", "nothing", "chosen[9].content", "chosen[0].role.x", "chosen", "metadata.x", "__class__", "row.prompt"]


@pytest.mark.parametrize("path", [*NOWHERE, "labels:some@v1/0.raw", "labels:../x/0.raw", "exchange[0].text"])
def test_a_path_that_leads_nowhere_is_refused(tmp_path, path):
    ref = version(tmp_path, "some", [pair(0)])
    with pytest.raises(NotFoundError):
        full_text(library(tmp_path), ref, 0, path)
