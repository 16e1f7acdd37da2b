"""Mixing: shares by hand and by property, which rows are taken, and in which order."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.mix.choose import copies, numbers, take
from pipelines.mix.mix import Mix, turns
from pipelines.mix.recipe import MixRecipe, SourceTable
from pipelines.mix.shares import allot, largest_that_fits
from schemas.commit import commit
from schemas.datasets import open_version
from schemas.errors import DataError
from schemas.folder import Folder
from tests.factory.store.made import draft
from tests.schemas.rows import completion, prompt

WEIGHTS = st.lists(st.integers(1, 500).map(lambda n: n / 100), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("rows", "weights", "caps", "expected"),
    [
        (10, [0.6, 0.4], [None, None], [6, 4]),
        (10, [1, 1, 1], [None] * 3, [4, 3, 3]),  # the odd row goes to the first of equals
        (7, [0.5, 0.3, 0.2], [None] * 3, [4, 2, 1]),  # 3.5, 2.1, 1.4: the largest remainder
        (10, [0.6, 0.4], [3, None], [3, 7]),
        (100, [0.5, 0.3, 0.2], [10, None, None], [10, 54, 36]),  # 90 left, 3 to 2
        (100, [0.5, 0.3, 0.2], [10, 20, None], [10, 20, 70]),
        (100, [0.5, 0.5], [10, 20], [10, 20]),  # all at their caps: fewer rows
        (3, [0.1, 0.2], [None, None], [1, 2]),  # 0.1 is a tenth, not the nearest binary fraction
        (0, [1, 2], [None, None], [0, 0]),
    ],
)
def test_shares_by_hand(rows, weights, caps, expected):
    assert allot(rows, weights, caps) == expected


@settings(deadline=None)
@given(st.integers(0, 5000), WEIGHTS)
def test_shares_are_within_one_row_of_what_was_asked(rows, weights):
    given_rows = allot(rows, weights, [None] * len(weights))
    whole = sum(Fraction(str(weight)) for weight in weights)
    assert sum(given_rows) == rows
    for count, weight in zip(given_rows, weights, strict=True):
        assert abs(count - rows * Fraction(str(weight)) / whole) < 1


@settings(deadline=None)
@given(st.integers(0, 2000), WEIGHTS, st.data())
def test_caps_hold_and_the_others_keep_their_shares(rows, weights, data):
    caps = data.draw(st.lists(st.none() | st.integers(1, 800), min_size=len(weights), max_size=len(weights)))
    counts = allot(rows, weights, caps)
    free = [place for place, cap in enumerate(caps) if cap is None or counts[place] < cap]
    assert all(cap is None or count <= cap for count, cap in zip(counts, caps, strict=True))
    assert sum(counts) == rows or not [place for place in free if caps[place] is None]
    left = sum(counts[place] for place in free)
    whole = sum(Fraction(str(weights[place])) for place in free)
    for place in free:
        assert abs(counts[place] - left * Fraction(str(weights[place])) / whole) < 1


@settings(max_examples=60, deadline=None)
@given(WEIGHTS, st.data())
def test_the_largest_mix_that_fits_is_what_trying_all_finds(weights, data):
    there = data.draw(st.lists(st.integers(0, 40), min_size=len(weights), max_size=len(weights)))
    none = [None] * len(weights)
    found = largest_that_fits(None, weights, none, there)
    fitting = [
        rows
        for rows in range(sum(there) + 1)
        if all(count <= have for count, have in zip(allot(rows, weights, none), there, strict=True))
    ]
    assert all(count <= have for count, have in zip(found, there, strict=True))
    assert sum(found) == max(fitting)


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=5).filter(any))
def test_sources_take_turns_so_that_shares_hold_all_along(taken):
    order = list(turns(taken))
    assert [order.count(place) for place in range(len(taken))] == taken
    for row in range(1, len(order) + 1):
        for place, count in enumerate(taken):
            assert abs(order[:row].count(place) - row * count / sum(taken)) < len(taken)


def test_rows_are_taken_once_before_any_is_taken_again():
    there = np.ones(10, dtype=np.int32)
    for taken in (0, 3, 10, 13, 25):
        counts = take(there, taken, "s")
        assert counts.sum() == taken
        assert counts.max() - counts.min() <= 1


def test_a_larger_mix_holds_the_smaller_one():
    there = np.ones(1000, dtype=np.int32)
    small, large = take(there, 100, "s") > 0, take(there, 300, "s") > 0
    assert (large & small).sum() == 100
    assert ((take(there, 100, "other") > 0) & small).sum() < 30  # another seed takes others


def test_numbers_are_fixed_and_spread():
    """The first numbers of splitmix64 from 0, as its author's program gives them."""
    state, expected = 0, []
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        word = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
        expected.append(word ^ (word >> 31))
    assert expected[0] == 0xE220A8397B1DCDAF
    start = int(__import__("hashlib").sha256(b"salt").hexdigest()[:16], 16)
    found = numbers("salt", 100_000)
    assert len(set(found.tolist())) == 100_000
    assert abs(found.astype(np.float64).mean() / 2**64 - 0.5) < 0.005
    state = (start + 0x9E3779B97F4A7C15) % 2**64
    word = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
    assert int(found[0]) == word ^ (word >> 31)


@pytest.fixture
def made(tmp_path):
    def version(name, records):
        folder = Folder.open(tmp_path / name)
        commit(folder, draft(folder, f"build-{name}", records, name=name))
        return open_version(str(tmp_path / name), tmp_path)

    return version


def scored(count, score):
    return [completion(number, metadata=f'{{"best_of":{{"score":{score(number)}}}}}') for number in range(count)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"repeat": [{"at_least": 0.5, "times": 1}, {"at_least": 0.8, "times": 3}]}, [0] * 5 + [1] * 3 + [3] * 2),
        ({"repeat": [{"at_least": 0, "times": 2}]}, [2] * 10),
        ({}, None),  # the number itself says how often, 0.7 of a time by chance
    ],
)
def test_good_rows_are_there_more_often(made, settings, expected):
    version = made("a", scored(10, lambda number: number / 10))
    table = SourceTable(data="a@v1", quality="metadata.best_of.score", **settings)
    found = copies(table, version, "salt").tolist()
    if expected is None:
        assert found[0] == 0
        assert set(found) <= {0, 1}
    else:
        assert found == expected


def test_a_part_of_a_time_is_a_chance(made):
    version = made("a", scored(400, lambda number: 1.25))
    found = copies(SourceTable(data="a@v1", quality="metadata.best_of.score"), version, "salt")
    assert set(found.tolist()) == {1, 2}
    assert abs(found.mean() - 1.25) < 0.09  # four standard deviations
    assert (found == copies(SourceTable(data="a@v1", quality="metadata.best_of.score"), version, "salt")).all()


@pytest.mark.parametrize(
    ("quality", "complaint"),
    [
        ("metadata.best_of.rank", "is None, not a number"),
        ("metadata.best_of", "not a number"),
        ("nowhere", "no column 'nowhere'"),
        ("model", "'tiny', not a number"),
    ],
)
def test_a_row_without_quality_is_an_error_that_names_it(made, quality, complaint):
    version = made("a", scored(3, lambda number: 1))
    with pytest.raises(DataError, match=complaint):
        copies(SourceTable(data="a@v1", quality=quality), version, "salt")
    if "rank" in quality:
        assert copies(SourceTable(data="a@v1", quality=quality, missing=2), version, "s").tolist() == [2, 2, 2]


def mixed(versions, **recipe):
    tables = [{"data": f"{version.name}@v1", **table} for version, table in versions]
    mix = Mix(MixRecipe.model_validate({"source": tables, **recipe}), [version for version, _ in versions])
    rows = [row for result in mix.results() for row in result.rows]
    return mix, rows


def test_a_mix_by_hand(made):
    a = made("a", [completion(number, source="a") for number in range(100)])
    b = made("b", [completion(number, source="b") for number in range(20)])
    versions = [(a, {"weight": 0.75}), (b, {"weight": 0.25})]
    mix, rows = mixed(versions, rows=40)
    assert "".join(row.source for row in rows[:8]) == "aabaaaba"
    assert Counter(row.source for row in rows) == {"a": 30, "b": 10}
    assert len({(row.source, row.completion_id) for row in rows}) == 40
    of_a = [row.completion_id for row in rows if row.source == "a"]
    assert of_a == sorted(of_a)  # their own order
    assert mixed(versions, rows=40)[1] == rows
    assert mixed(versions, rows=40, seed=1)[1] != rows
    [first, second] = mix.report()["mix"]
    assert first == {
        "source": "a@v1", "weight": 0.75, "asked": 0.75, "rows": 100, "there": 100, "taken": 30, "repeats": 0,
        "share": 0.75,
    }  # fmt: skip
    assert (second["taken"], second["share"]) == (10, 0.25)


def test_a_source_that_runs_out(made):
    a = made("a", [completion(number, source="a") for number in range(100)])
    b = made("b", [completion(number, source="b") for number in range(10)])
    versions = [(a, {}), (b, {})]
    with pytest.raises(DataError, match="b@v1: 30 rows are asked for, and there are 10"):
        mixed(versions, rows=60)
    mix, rows = mixed(versions, rows=60, exhausted="stop")
    assert Counter(row.source for row in rows) == {"a": 11, "b": 10}  # 22 rows would be 11 of each
    mix, rows = mixed(versions, rows=60, exhausted="repeat")
    again = Counter(row.completion_id for row in rows if row.source == "b")
    assert (sum(again.values()), set(again.values())) == (30, {3})
    of_b = [row.completion_id for row in rows if row.source == "b"]
    assert of_b == of_b[:10] * 3  # a row comes again when all others have been
    assert mix.report()["mix"][1]["repeats"] == 20
    assert len(mixed(versions)[1]) == 21  # without a number: as many as there are in these shares


def test_a_mix_is_of_one_kind(made):
    a, b = made("a", [completion()]), made("b", [prompt()])
    with pytest.raises(DataError, match="a@v1 holds completions and b@v1 holds prompts; a mix is of one kind"):
        mixed([(a, {}), (b, {})], rows=2)


@pytest.mark.parametrize(
    ("recipe", "complaint"),
    [
        ({"source": []}, "at least 1"),
        ({"source": [{"data": "a", "weight": 0}]}, "greater than 0"),
        ({"source": [{"data": "a"}], "exhausted": "repeat"}, "rows is missing"),
        ({"source": [{"data": "a", "repeat": [{"at_least": 1, "times": 1}]}]}, "need quality"),
        (
            {"source": [{"data": "a", "quality": "q", "repeat": [{"at_least": 1, "times": n} for n in (1, 2)]}]},
            "same at_least",
        ),
    ],
)
def test_recipes_that_make_no_sense(recipe, complaint):
    with pytest.raises(ValidationError, match=complaint):
        MixRecipe.model_validate(recipe)
