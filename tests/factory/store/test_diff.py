"""What changed between versions, held against a plain comparison of the rows."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from factory.store.diff import MISSING, diff_versions
from schemas.columns import ROW_KEYS
from schemas.commit import commit
from schemas.datasets import open_version
from schemas.errors import DataError
from schemas.folder import Folder
from schemas.manifest import StageCount
from schemas.records import Judgement, Message, Prompt, Trace
from tests.factory.store.made import draft, make_dataset
from tests.schemas.rows import judgement, prompt, rows_of, trace


def compare(tmp_path, before, after, per_shard=4, **changes):
    folder = Folder.open(tmp_path / "ds")
    commit(folder, draft(folder, "one", before, per_shard=per_shard))
    commit(folder, draft(folder, "two", after, per_shard=per_shard, **changes))
    return diff_versions(open_version("ds@v1", tmp_path), open_version("ds@v2", tmp_path))


def test_rows_are_told_apart_by_key(tmp_path):
    old = rows_of(Prompt, 10)
    changed = replace(old[3], ground_truth="7")
    found = compare(tmp_path, old, [*old[:2], changed, *old[5:], prompt(99)]).rows
    assert (found.unchanged, found.added, found.removed, found.changed) == (7, 1, 2, 1)
    names = {kind: sorted(keys) for kind, keys in found.examples.items()}
    assert names == {
        "added": [f"{99:016x}"],
        "removed": [f"{2:016x}", f"{4:016x}"],
        "changed": [f"{3:016x}"],
    }


def test_order_does_not_matter(tmp_path):
    old = rows_of(Trace, 9)
    found = compare(tmp_path, old, old[::-1]).rows
    assert (found.unchanged, found.added, found.removed, found.changed) == (9, 0, 0, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": [Message("user", "a", "b"), Message("assistant", "")]},
        {"messages": [Message("user", "b", "a"), Message("assistant", "")]},
        {"messages": [Message("user", "a"), Message("assistant", "b")]},
        {"messages": [Message("assistant", "b"), Message("user", "a")]},
        {"messages": [Message("user", "ab")]},
        {"messages": []},
        {"raw": ""},
        {"raw": None},
        {"seed": 0},
        {"seed": 1},
        {"temperature": 0.5000000001},
        {"metadata": "null"},
    ],
)
def test_any_change_of_a_row_is_seen(tmp_path, changes):
    old = [trace(0), trace(1)]
    found = compare(tmp_path, old, [replace(old[0], **changes), old[1]]).rows
    assert (found.changed, found.unchanged) == (1, 1)


def test_a_key_may_be_of_two_columns_and_may_recur(tmp_path):
    old = [
        judgement(0, judge="a"),
        judgement(0, judge="b"),
        judgement(1, judge="a"),
        judgement(1, judge="a", score=0.0),
    ]
    new = [judgement(0, judge="a"), judgement(0, judge="b", score=0.5), judgement(1, judge="a")]
    found = compare(tmp_path, old, new).rows
    assert ROW_KEYS[Judgement] == ("completion_id", "judge")
    assert (found.unchanged, found.changed, found.added, found.removed) == (1, 2, 0, 0)
    assert sorted(found.examples["changed"]) == [f"{0:016x} b", f"{1:016x} a"]


def test_many_random_changes_are_counted_as_a_dictionary_counts_them(tmp_path):
    chance = random.Random(0)
    old = {n: prompt(n, metadata=str(chance.randrange(3))) for n in range(3000)}
    new = {n: prompt(n, metadata=str(chance.randrange(3))) for n in range(4000) if chance.random() < 0.7}
    found = compare(tmp_path, list(old.values()), list(new.values()), per_shard=1100).rows
    assert found.added == len(new.keys() - old.keys())
    assert found.removed == len(old.keys() - new.keys())
    assert found.unchanged == sum(old[n] == new[n] for n in old.keys() & new.keys())
    assert found.changed == sum(old[n] != new[n] for n in old.keys() & new.keys())
    assert {kind: len(keys) for kind, keys in found.examples.items()} == {"added": 5, "removed": 5, "changed": 5}


def test_recipes_and_counters_stand_side_by_side(tmp_path):
    recipe = {"n": 2, "sampling": {"temperature": 0.5, "top_p": 1.0}, "extra": None}
    counters = [StageCount(stage="read", rows_in=5, rows_out=3, dropped={"empty": 1}, failed={"timeout": 1})]
    found = compare(tmp_path, rows_of(Prompt, 3), rows_of(Prompt, 3), recipe=recipe, counters=counters)
    assert found.recipe == {
        "extra": (MISSING, None),
        "sampling.temperature": (1.0, 0.5),
        "sampling.top_p": (MISSING, 1.0),
    }
    assert found.counters == {
        "read.in": (4, 5),
        "read.out": (3, 3),
        "read.dropped.no_correct": (1, None),
        "read.dropped.empty": (None, 1),
        "read.failed.timeout": (None, 1),
    }
    assert (found.before, found.after) == ("ds@v1", "ds@v2")


def test_two_kinds_cannot_be_compared(tmp_path):
    make_dataset(tmp_path / "a")
    make_dataset(tmp_path / "b", kind="traces")
    with pytest.raises(DataError, match=r"'prompts' and ds@v1 holds 'traces'"):
        diff_versions(open_version("a", tmp_path), open_version("b", tmp_path))
