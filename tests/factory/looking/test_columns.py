"""Statistics of columns beside polars, kept once, and of hostile columns."""

import json
import random

import polars as pl
import pytest

from factory.looking import distinct
from factory.looking.columns import statistics, statistics_state
from schemas.datasets import open_version
from schemas.records import Message
from tests.factory.looking.workspace import library, version
from tests.schemas.rows import completion, judgement, pair, pass_rate, prompt, trace

ROWS = 2500


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("columns")
    chance = random.Random(3)
    rows = [
        completion(
            number,
            completion=[Message("assistant", "é" * chance.randrange(40), chance.choice([None, "", "hm" * 9]))],
            n_completion_tokens=chance.randrange(400),
            temperature=chance.choice([None, 0.0, 0.5, 1.0]),
            source=chance.choice(["a", "b", "c"]),
            ground_truth=str(number),
            token_ids=None if number % 5 else [1] * (number % 9),
            logprobs=None,
            metadata=json.dumps({"family": f"f{number % 3}", "deep": {"level": number % 4}, "list": [1], "ok": True}),
        )
        for number in range(ROWS)
    ]
    version(home, "answers", [*rows, rows[7], rows[7]], per_shard=1000)
    return home


@pytest.fixture(scope="module")
def counted(home, tmp_path_factory):
    found = statistics(library(home, kept=tmp_path_factory.mktemp("kept")), "answers")
    return {column.name: column for column in found.columns}, found


@pytest.fixture(scope="module")
def frame(home):
    return pl.concat(pl.read_parquet(place) for place in open_version("answers", home).shard_locations())


def test_numbers_beside_polars(counted, frame):
    columns, _ = counted
    for name in ("n_completion_tokens", "temperature", "sample_index"):
        values, found = frame[name], columns[name]
        assert found.shape == "number"
        assert found.missing == values.null_count()
        assert found.numbers.mean == pytest.approx(values.mean())
        assert (found.numbers.low, found.numbers.high) == (values.min(), values.max())
        for bin in found.numbers.bins[:-1]:
            assert bin.rows == ((values >= bin.low) & (values < bin.high)).sum()


def test_texts_and_categories_beside_polars(counted, frame):
    columns, _ = counted
    top = frame["source"].value_counts(sort=True)
    assert [(value.text, value.rows) for value in columns["source"].values] == sorted(
        top.rows(), key=lambda one: (-one[1], one[0])
    )
    assert (columns["source"].shape, columns["source"].distinct) == ("category", 3)
    truth = columns["ground_truth"]
    assert (truth.shape, truth.values, truth.distinct) == ("text", [], None)
    lengths = frame["ground_truth"].str.len_chars()
    assert (truth.numbers.low, truth.numbers.high) == (lengths.min(), lengths.max())


def test_messages_and_lists_beside_polars(counted, frame):
    columns, _ = counted
    said = frame["completion"].list.get(0)
    content, thoughts = said.struct.field("content"), said.struct.field("reasoning")
    whole = content.str.len_chars() + thoughts.str.len_chars().fill_null(0)
    found = columns["completion"]
    assert found.numbers.mean == pytest.approx(whole.mean())
    assert found.turns.high == 1
    assert sum(bin.rows for bin in found.reasoning.bins) == (thoughts.str.len_chars() > 0).sum()
    ids = frame["token_ids"]
    assert columns["token_ids"].missing == ids.null_count()
    assert columns["token_ids"].empty == (ids.list.len() == 0).sum()
    assert columns["token_ids"].numbers.mean == pytest.approx(ids.list.len().mean())
    assert columns["logprobs"].missing == len(frame)


def test_places_of_the_metadata(counted, frame):
    columns, _ = counted
    family = columns["metadata.family"]
    told = pl.Series([json.loads(text)["family"] for text in frame["metadata"]]).value_counts()
    assert sorted((value.text, value.rows) for value in family.values) == sorted(told.rows())
    assert columns["metadata.deep.level"].numbers.high == 3
    assert [value.text for value in columns["metadata.ok"].values] == ["true"]
    assert "metadata.list" not in columns


def test_what_is_there_twice(counted, frame):
    _, found = counted
    told = {one.what: one.rows for one in found.duplicates}
    answers = frame["completion"].list.get(0).struct.unnest()
    assert told["id"] == 2
    assert told["answer"] == len(frame) - answers.n_unique()
    assert told["prompt and answer"] == told["answer"]  # all ask the same
    assert not any(one.is_estimate for one in found.duplicates)


def test_of_very_many_rows_a_share_is_held(home, tmp_path, monkeypatch):
    rows = [prompt(number % 4000, prompt=[Message("user", str(number % 4000))]) for number in range(8000)]
    version(tmp_path, "twice", rows, per_shard=3000)
    monkeypatch.setattr(distinct, "MOST_HASHES", 1000)
    [found] = statistics(library(tmp_path), "twice").duplicates
    assert found.is_estimate
    assert found.rows == pytest.approx(4000, rel=0.2)


def test_pairs_have_their_differences(tmp_path):
    rows = [
        pair(0, chosen=[Message("assistant", "12345")], rejected=[Message("assistant", "1")]),
        pair(1, chosen=[Message("assistant", "1")], rejected=[Message("assistant", "12")], score_chosen=None),
    ]
    version(tmp_path, "pairs", rows)
    columns = {column.name: column for column in statistics(library(tmp_path), "pairs").columns}
    length, score = columns["chosen less rejected: characters"], columns["chosen less rejected: score"]
    assert (length.numbers.low, length.numbers.high) == (-1, 4)
    assert (score.numbers.mean, score.missing) == (1.0, 1)


@pytest.mark.parametrize("make", [prompt, trace, judgement, pair, pass_rate], ids=lambda make: make.__name__)
def test_every_kind_is_counted(tmp_path, make):
    version(tmp_path, "some", [make(number) for number in range(3)])
    found = statistics(library(tmp_path), "some")
    assert found.rows == 3
    assert (found.pass_rates is not None) == (make is pass_rate)


HOSTILE = ["\x00\x1b[31m", "\u202egnp", "{{7*7}}", "<img src=x onerror=alert(1)>", "", "'; DROP TABLE", "\U0010ffff"]


def test_hostile_texts_are_values_like_any_other(tmp_path):
    rows = [prompt(number, source=text, metadata=json.dumps({text: text})) for number, text in enumerate(HOSTILE)]
    rows += [prompt(90, metadata='{"a":' * 90 + "1" + "}" * 90), prompt(91, metadata="x" * 2_000_000)]
    version(tmp_path, "some", rows)
    columns = {column.name: column for column in statistics(library(tmp_path), "some").columns}
    assert {value.text for value in columns["source"].values} == {*HOSTILE, "gsm8k"}
    assert columns["metadata"].numbers.high == 2_000_000


def test_they_are_counted_once_and_kept(home, tmp_path):
    kept = tmp_path / "kept"
    first = library(home, kept=kept)
    found = statistics(first, "answers")
    [file] = (kept / "statistics").iterdir()
    changed = file.read_bytes().replace(b'"rows":2502', b'"rows":7', 1)
    file.write_bytes(changed)
    assert statistics(first, "answers") is found
    assert statistics(library(home, kept=kept), "answers").rows == 7
    file.write_bytes(b"{}")
    assert statistics(library(home, kept=kept), "answers").rows == found.rows


def test_nobody_waits_for_the_counting(home, tmp_path):
    shelf = library(home, kept=tmp_path)
    state = statistics_state(shelf, "answers")
    assert (state.statistics, state.rows) == (None, ROWS + 2)
    shelf.background.wait()
    assert statistics_state(shelf, "answers").statistics == statistics(shelf, "answers")


def test_a_damaged_version_says_why_it_is_not_counted(tmp_path):
    ref = version(tmp_path, "some", [prompt(number) for number in range(3)])
    [shard] = (tmp_path / "some" / "data").iterdir()
    shard.write_bytes(shard.read_bytes()[:-9])
    shelf = library(tmp_path)
    assert statistics_state(shelf, ref).statistics is None
    shelf.background.wait()
    state = statistics_state(shelf, ref)
    assert state.statistics is None
    assert "bytes" in state.problem
