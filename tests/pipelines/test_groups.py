"""Groups of a version: each exactly once and whole, however its rows are cut into ranges."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.groups import read_groups
from schemas.commit import commit
from schemas.datasets import open_version
from schemas.errors import DataError
from schemas.folder import Folder
from schemas.records import Message
from tests.factory.store.made import draft
from tests.schemas.rows import completion, pair, prompt, trace

RUNS = [[0], [1, 1, 1], [2], [3, 3], [1, 1], [4] * 9, [0, 0], [5]]  # prompts by row; 0 and 1 come back later
PROMPTS = [number for run in RUNS for number in run]
ROWS = len(PROMPTS)


def rows(make, numbers):
    return [make(row, prompt_id=f"p{number}", ground_truth=f"{number}") for row, number in enumerate(numbers)]


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """The same runs of prompts as completions, as traces and as pairs, in shards of four rows."""
    home = tmp_path_factory.mktemp("groups")

    def made(name, records):
        commit(Folder.open(home / name), draft(Folder.open(home / name), name, records, name=name))
        return open_version(name, home)

    makers = {"completions": completion, "traces": trace, "pairs": pair}
    return {name: made(name, rows(make, PROMPTS)) for name, make in makers.items()}


def read(version, start=0, stop=ROWS):
    return list(read_groups(version, start, stop))


def ids(version, column):
    """A column of all rows, straight from the version."""
    return [getattr(record, column) for record in version.records()]


@pytest.mark.parametrize("kind", ["completions", "traces"])
def test_rows_of_one_prompt_that_follow_each_other_are_a_group(versions, kind):
    groups = read(versions[kind])
    assert [[one.prompt_id for one in placed.group.completions] for placed in groups] == [
        [f"p{number}" for number in run] for run in RUNS
    ]
    column = "completion_id" if kind == "completions" else "trace_id"
    assert [one.completion_id for placed in groups for one in placed.group.completions] == ids(versions[kind], column)
    assert all(placed.group.prompt.ground_truth == placed.group.prompt.prompt_id[1:] for placed in groups)


def test_a_pair_is_a_group_by_itself_of_its_two_answers(versions):
    groups = read(versions["pairs"])
    assert len(groups) == len(PROMPTS)
    for placed in groups:
        chosen, rejected = placed.group.completions
        assert (chosen.completion_id, chosen.model, chosen.n_completion_tokens) == ("c", "a", 2)
        assert (rejected.completion_id, rejected.model) == ("r", "b")
        assert (chosen.completion[-1].content, rejected.completion[-1].content) == ("4", "5")
        assert chosen.prompt == rejected.prompt == placed.group.prompt.prompt


@pytest.mark.parametrize("kind", ["completions", "traces", "pairs"])
@pytest.mark.parametrize("size", [1, 4, 9])
def test_ranges_of_a_version_give_each_group_once_and_whole(versions, kind, size):
    ranges = [(start, min(start + size, len(PROMPTS))) for start in range(0, len(PROMPTS), size)]
    parts = [(start, stop, read(versions[kind], start, stop)) for start, stop in ranges]
    assert [placed for _, _, part in parts for placed in part] == read(versions[kind])
    assert all(start <= placed.start < stop for start, stop, part in parts for placed in part)


class InMemory:
    """A version as groups are read from it, without files."""

    name = "in memory"

    def __init__(self, records):
        self._records = records
        self.record = type(records[0])

    def records(self, start=0):
        return iter(self._records[start:])


@pytest.mark.parametrize("make", [completion, trace, pair])
@settings(max_examples=100, deadline=None)
@given(numbers=st.lists(st.integers(0, 2), min_size=1, max_size=24), cuts=st.sets(st.integers(1, 23)))
def test_any_cut_of_any_runs_gives_each_group_once_and_whole(make, numbers, cuts):
    size = len(numbers)
    version = InMemory(rows(make, numbers))
    ranges = pairwise([0, *sorted(cut for cut in cuts if cut < size), size])
    parts = [(start, stop, list(read_groups(version, start, stop))) for start, stop in ranges]
    assert all(start <= placed.start < stop for start, stop, part in parts for placed in part)
    groups = [placed for _, _, part in parts for placed in part]
    assert [row for placed in groups for row in range(placed.start, placed.stop)] == list(range(size))
    ends = range(1, size + 1) if make is pair else [i for i in range(1, size) if numbers[i] != numbers[i - 1]] + [size]
    assert [placed.stop for placed in groups] == list(ends)
    for placed in groups:
        asked = {f"p{number}" for number in numbers[placed.start : placed.stop]}
        assert {one.prompt_id for one in placed.group.completions} == asked == {placed.group.prompt.prompt_id}


def test_equal_prompts_with_other_ground_truths_are_not_judged_by_the_first_ones(tmp_path):
    records = [completion(row, prompt_id="p", ground_truth=truth) for row, truth in enumerate(["7", "7", "8"])]
    records += [completion(row, prompt_id="p", ground_truth="8", metadata='{"unit":"m"}') for row in (3, 4)]
    commit(Folder.open(tmp_path / "ds"), draft(Folder.open(tmp_path / "ds"), "b", records))
    groups = [placed.group for placed in read_groups(open_version("ds", tmp_path), 0, 5)]
    assert [(group.prompt.ground_truth, group.prompt.metadata, len(group.completions)) for group in groups] == [
        ("7", None, 2),
        ("8", None, 1),
        ("8", '{"unit":"m"}', 2),
    ]


def test_the_same_pair_twice_is_two_groups(tmp_path):
    commit(Folder.open(tmp_path / "ds"), draft(Folder.open(tmp_path / "ds"), "b", [pair(1), pair(1), pair(2)]))
    groups = list(read_groups(open_version("ds", tmp_path), 0, 3))
    assert [len(placed.group.completions) for placed in groups] == [2, 2, 2]


def test_a_trace_is_judged_by_its_last_turn(tmp_path):
    turns = [Message("user", "1+1?"), Message("assistant", "3"), Message("user", "no"), Message("assistant", "2", "hm")]
    commit(Folder.open(tmp_path / "ds"), draft(Folder.open(tmp_path / "ds"), "b", [trace(0, messages=turns)]))
    [placed] = read_groups(open_version("ds", tmp_path), 0, 1)
    assert placed.group.prompt.prompt == turns[:-1]
    assert placed.group.completions[0].completion == turns[-1:]


def test_a_version_of_something_else_is_refused(tmp_path):
    commit(Folder.open(tmp_path / "ds"), draft(Folder.open(tmp_path / "ds"), "b", [prompt()]))
    with pytest.raises(DataError, match="holds prompts; completions, traces or pairs are needed"):
        list(read_groups(open_version("ds", tmp_path), 0, 1))
