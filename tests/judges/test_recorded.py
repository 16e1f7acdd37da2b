"""The judge `recorded`: published judgements and labels of other builds, found by what they are about."""

import json

import pytest

from judges.base import JudgeError
from judges.llm.registry import make_judge
from schemas.canonical import prompt_id
from schemas.commit import commit
from schemas.errors import DataError
from schemas.folder import Folder
from schemas.records import Message
from tests.factory.store.made import draft
from tests.judges.llm.models import a_group
from tests.judges.prompts import SHARED, needs_shared_data
from tests.schemas.rows import judgement

QUESTION = [Message("user", "How many?")]  # of a_group


@pytest.fixture
def file(tmp_path):
    def write(*rows, name="scores.jsonl"):
        path = tmp_path / name
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return str(path)

    return write


def recorded(file, **options):
    return make_judge("recorded", {"files": [file], **options}, {})


BY_ID = {"match": {"completion_id": "completion_id"}}


async def test_scores_are_found_by_prompt_and_model(file):
    rows = [{"prompt_id": "p1", "model": "m", "score": 0.25}, {"prompt_id": "p2", "model": "m", "score": 1}]
    [found] = await recorded(file(*rows)).judge(a_group("text"))
    assert (found.score, found.verdict, found.judge, found.completion_id) == (0.25, "wrong", "recorded", "c0")
    assert found.reason == "scores.jsonl:1: 0.25"


@pytest.mark.parametrize("written", ["How many?", [{"role": "user", "content": "How many?"}]])
async def test_a_prompt_that_is_written_out_is_known_by_its_messages(file, written):
    options = {"match": {"question": "prompt"}}
    judge = recorded(file({"question": written, "score": 1}, {"question": "What?", "score": 0}), **options)
    group = a_group("text")
    group = type(group)(
        type(group.prompt)(**fields(group.prompt) | {"prompt_id": prompt_id(QUESTION)}), group.completions
    )
    assert [one.score for one in await judge.judge(group)] == [1.0]


def fields(record):
    return {name: getattr(record, name) for name in record.__struct_fields__}


async def test_source_ids_and_metadata_may_be_matched(file):
    rows = file({"id": 1, "kind": "x", "score": 0.5}, {"id": 1, "kind": "y", "score": 0.9})
    judge = recorded(rows, match={"id": "source_id", "kind": "metadata.kind"})
    group = a_group("text")
    with_kind = type(group.prompt)(**fields(group.prompt) | {"metadata": '{"kind":"y"}'})
    assert [one.score for one in await judge.judge(type(group)(with_kind, group.completions))] == [0.9]
    [missing] = await judge.judge(group)
    assert (missing.kind, "metadata_columns" in missing.reason) == ("no_metadata", True)
    no_id = type(group.prompt)(**fields(group.prompt) | {"source_id": ""})
    assert (await judge.judge(type(group)(no_id, group.completions)))[0].kind == "no_source_id"


async def test_what_is_not_there_is_an_error_or_an_abstention_and_never_a_score(file):
    path = file({"completion_id": "c0", "score": 0.5}, {"completion_id": "c1", "score": None})
    first, second, third = await recorded(path, **BY_ID).judge(a_group("a", "b", "c"))
    assert (first.score, second.score, second.verdict) == (0.5, None, "abstain")
    assert isinstance(third, JudgeError)
    assert third.kind == "not_recorded"
    assert "completion_id c2" in third.reason
    [*_, third] = await recorded(path, **BY_ID, missing="abstain").judge(a_group("a", "b", "c"))
    assert (third.score, third.verdict) == (None, "abstain")


async def test_a_scale_is_brought_to_0_and_1(file):
    rows = [{"completion_id": f"c{place}", "score": rating} for place, rating in enumerate((1, 3, 10))]
    found = await recorded(file(*rows), **BY_ID, low=1, high=10).judge(a_group("a", "b", "c"))
    assert [one.score for one in found] == [0.0, pytest.approx(2 / 9), 1.0]
    assert [one.verdict for one in found] == ["wrong", "wrong", "correct"]


async def test_only_some_rows_are_looked_at(file):
    rows = file({"completion_id": "c0", "by": "x", "score": 0.1}, {"completion_id": "c0", "by": "y", "score": 0.2})
    assert [one.score for one in await recorded(rows, **BY_ID, only={"by": "y"}).judge(a_group("a"))] == [0.2]
    with pytest.raises(DataError, match=r"scores.jsonl:2: a second score for c0: 0.1 and 0.2; choose one judge"):
        recorded(rows, **BY_ID)


@pytest.mark.parametrize(
    ("row", "options", "complaint"),
    [
        ("{broken", {}, "scores.jsonl:2: no JSON object"),
        ("[1]", {}, "scores.jsonl:2: no JSON object"),
        ({"model": "m", "score": 1}, {}, "scores.jsonl:2: no column 'prompt_id'; it has model, score"),
        ({"prompt_id": "p", "model": "m"}, {}, "scores.jsonl:2: no column 'score'"),
        ({"prompt_id": "p", "model": "m", "score": "good"}, {}, "score is 'good'; it must be a number or null"),
        ({"prompt_id": "p", "model": "m", "score": True}, {}, "score is True"),
        ({"prompt_id": "p", "model": "m", "score": 7}, {}, "score is 7, outside 0..1; set low and high"),
        ('{"prompt_id": "p", "model": "m", "score": 1e999}', {}, "scores.jsonl:2"),
        ({"prompt_id": 5, "score": 1}, {"match": {"prompt_id": "prompt"}}, "neither a text nor a list of messages"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_before_a_build_begins(file, row, options, complaint):
    with pytest.raises(DataError) as caught:
        recorded(file({"prompt_id": "p0", "model": "m", "score": 1}, row), **options)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "either `files` or `dataset`"),
        ({"files": ["x"], "dataset": "y"}, "either `files` or `dataset`"),
        ({"files": ["x"], "low": 1}, "high must be greater"),
        ({"files": ["x"], "match": {"a": "answer"}}, "match.a is 'answer'; known: prompt_id"),
        ({"file": "x"}, "unknown field `file`"),
    ],
)
def test_a_wrong_option_is_named(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        make_judge("recorded", options, {})


def test_a_missing_file_and_one_without_judgements_are_named(tmp_path, file):
    with pytest.raises(DataError, match=r"none.jsonl: cannot be read: No such file or directory; check the path"):
        recorded(str(tmp_path / "none.jsonl"))
    with pytest.raises(DataError, match="no judgement there"):
        recorded(file())


def test_a_changed_file_is_read_anew_and_is_another_input(file):
    row = {"prompt_id": "p1", "model": "m", "score": 0.5}
    first = recorded(file(row))
    second = recorded(file(row, row | {"prompt_id": "p2"}))
    assert first.inputs[0].name == second.inputs[0].name == "scores.jsonl"
    assert first.inputs[0].sha256 != second.inputs[0].sha256


async def test_labels_of_another_build_keep_what_their_judge_said(tmp_path):
    def label(place, judge, score, **more):
        verdict = "abstain" if score is None else "correct" if score == 1 else "wrong"
        ids = {"completion_id": f"c{place}", "judge": judge}
        return judgement(place, score=score, verdict=verdict, **ids, **more)

    rows = [label(0, "a", 1.0, metadata='{"wins":2}'), label(1, "a", None), label(0, "b", 0.25), label(1, "b", 0.5)]
    folder = Folder.open(tmp_path / "labels")
    commit(folder, draft(folder, "build", rows, name="labels"))
    judge = make_judge("recorded", {"dataset": "labels@v1", "only": {"judge": "a"}}, {}, tmp_path)
    first, second = await judge.judge(a_group("x", "y"))
    assert (first.score, first.verdict, first.metadata) == (1.0, "correct", '{"wins":2}')
    assert (second.score, second.verdict) == (None, "abstain")
    [ref] = judge.inputs
    assert (ref.name, ref.version) == ("labels", 1)
    with pytest.raises(DataError, match="a second score for c0"):
        make_judge("recorded", {"dataset": "labels@v1"}, {}, tmp_path)


@needs_shared_data
async def test_published_preferences_are_read_as_they_are():
    folder = SHARED / "alpaca_eval" / "annotations"
    files = [str(path) for path in sorted(folder.glob("*.jsonl"))]
    match = {"prompt_id": "source_id", "model_b": "model"}
    judge = make_judge("recorded", {"files": files, "score": "preference_b", "match": match}, {})
    rows = [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    group = a_group("text")
    for row in rows[::97]:
        one = type(group.prompt)(**fields(group.prompt) | {"source_id": row["prompt_id"]})
        by = type(group.completions[0])(**fields(group.completions[0]) | {"model": row["model_b"]})
        [found] = await judge.judge(type(group)(one, [by]))
        assert found.score == row["preference_b"]
    assert len(judge.inputs) == 4
