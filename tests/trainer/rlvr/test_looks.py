"""Answers to watched prompts: kept by step, told apart from what trains, in a version of their own."""

import json

import pytest

from schemas.datasets import open_version, versions
from schemas.errors import CorruptError
from schemas.folder import Folder
from schemas.records import Completion
from schemas.shards import read_records
from tests.trainer.rlvr.lives import POLICY, PROMPTS, batches, made_group, open_archive, run_options, run_outputs
from trainer.rlvr.ledger import Ledger
from trainer.rlvr.looks import Looks
from trainer.rlvr.pass_rates import measure
from trainer.rlvr.publish import publish
from trainer.rlvr.rollout_rows import RolloutRows


def look_groups(step):
    return [made_group(number, (1.0, 0.0), version=step) for number in range(3)]


def open_looks(options, after):
    return Looks(options.run_folder / "watched", RolloutRows(POLICY, False), after)


def looked(options, steps=(0, 2, 4)):
    looks = open_looks(options, None)
    for step in steps:
        looks.add(look_groups(step), step)
    return looks


def rows_of(looks):
    return [row for one in looks.records() for row in read_records(looks.folder, one.shards, Completion)]


def facts_of(row):
    return json.loads(row.metadata)["rollout"]


def test_rows_say_the_step_and_that_nothing_was_learnt(tmp_path):
    rows = rows_of(looked(run_options(tmp_path)))
    assert [facts_of(row)["step"] for row in rows] == [0] * 6 + [2] * 6 + [4] * 6
    assert {(facts_of(row)["learnt"], facts_of(row)["left_out"], facts_of(row)["draw"]) for row in rows} == {
        (False, "watched", None)
    }
    assert [row.revision for row in rows[::6]] == ["f" * 64, "f" * 64 + "+v2", "f" * 64 + "+v4"]


def test_a_watched_answer_is_no_rollout_even_where_both_are_alike(tmp_path):
    """The same prompt, draw, seed and weights: the first prompts of --data are watched, too."""
    archive = open_archive(run_options(tmp_path), 0)
    archive.add(batches()[0], 1)
    drawn = {
        row.completion_id for one in archive.records() for row in read_records(archive.folder, one.shards, Completion)
    }
    watched = [row.completion_id for row in rows_of(looked(run_options(tmp_path)))]
    assert len(set(watched)) == len(watched) == 18
    assert not drawn & set(watched)


@pytest.mark.parametrize(("after", "kept"), [(None, []), (0, [0]), (2, [0, 2]), (3, [0, 2]), (4, [0, 2, 4])])
def test_going_on_forgets_later_looks(tmp_path, after, kept):
    options = run_options(tmp_path)
    looked(options)
    again = open_looks(options, after)
    assert [record.step for record in again.records()] == kept
    assert len(list((options.run_folder / "watched/data").iterdir())) == len(kept)


def test_a_look_that_is_missing_stops_the_run_before_it_goes_on(tmp_path):
    options = run_options(tmp_path)
    shard = looked(options).records()[1].shards[0]
    (options.run_folder / "watched" / shard.path).unlink()
    with pytest.raises(CorruptError, match="the answers of step 2 are missing"):
        open_looks(options, 4)


def test_they_are_a_version_of_their_own(tmp_path):
    options = run_options(tmp_path)
    outputs, archive, looks = run_outputs(options), open_archive(options, 0), looked(options)
    archive.add(batches()[0], 1)
    measured = measure(PROMPTS, Ledger().entries, POLICY)
    for _ in range(2):  # as if it had been killed before the export
        made = publish(outputs, archive, measured, looks)
    assert [(one.name, one.version, one.rows) for one in made] == [("rlvr-rollouts", 1, 4), ("rlvr-watched", 1, 18)]
    assert versions(Folder.open(options.workspace / "rlvr-watched")) == [1]
    [books] = made[1].counters
    assert (books.stage, books.rows_in, books.rows_out) == ("rollouts", 18, 18)
    assert made[1].inputs == [open_version("prompts@v1", options.workspace).ref]


def test_nothing_watched_makes_no_version(tmp_path):
    options = run_options(tmp_path)
    archive, looks = open_archive(options, 0), looked(options, ())
    assert publish(run_outputs(options), archive, measure(PROMPTS, {}, POLICY), looks) == []
