"""Rollouts on disk while a run goes on: all of them, in order, once, whenever it was killed."""

import json

import pytest
from msgspec.structs import replace

from schemas.errors import CorruptError, DataError, WriteError
from schemas.manifest import ModelRef
from schemas.records import Completion
from schemas.shards import read_records
from tests.trainer.rlvr.lives import POLICY, batches, groups_of, open_archive, run_options, taken_after
from tests.trainer.rlvr.made import answer, group, prompt
from trainer.rlvr.books import add_books
from trainer.rlvr.collecting import Batch, State
from trainer.rlvr.drawing import Draw
from trainer.rlvr.rollout_rows import RolloutRows, policy_at
from trainer.rlvr.rollouts import Group, Rollout


def rows_of(archive):
    return [row for record in archive.records() for row in read_records(archive.folder, record.shards, Completion)]


def facts_of(row):
    return json.loads(row.metadata)["rollout"]


def filled(options, count=3):
    archive = open_archive(options, 0)
    for step, batch in enumerate(batches()[:count]):
        archive.add(batch, step + 1)
    return archive


def files(options):
    return sorted(path for path in (options.run_folder / "rollouts").rglob("*") if path.is_file())


def test_every_rollout_is_a_row_in_the_order_of_the_draws(tmp_path):
    rows = rows_of(filled(run_options(tmp_path)))
    drawn = [one for batch in batches() for one in groups_of(batch)]
    assert [(facts_of(row)["draw"], row.sample_index) for row in rows] == [
        (one.draw, index) for one in drawn for index in range(len(one.rollouts))
    ]
    assert [facts_of(row)["reward"] for row in rows] == [one.reward for group in drawn for one in group.rollouts]
    assert len({row.completion_id for row in rows}) == len(rows) == 21


def test_a_row_says_what_became_of_its_rollout(tmp_path):
    rows = {(facts_of(row)["draw"], row.sample_index): row for row in rows_of(filled(run_options(tmp_path)))}
    assert facts_of(rows[2, 0]) == {
        "step": 2,
        "draw": 2,
        "learnt": True,
        "left_out": None,
        "reward": 1.0,
        "parts": {"verifier": 1.0},
        "correct": True,
        "reason": "made",
        "versions": [[1, 0]],
    }
    assert {key: facts_of(rows[3, 1])[key] for key in ("step", "learnt", "left_out")} == {
        "step": 2,
        "learnt": False,
        "left_out": "all wrong",
    }
    assert (facts_of(rows[5, 0])["learnt"], facts_of(rows[5, 0])["left_out"]) == (False, "no reward")
    assert facts_of(rows[5, 1])["learnt"]
    row = rows[2, 0]
    assert (row.token_ids, row.logprobs, row.temperature, row.top_p) == ([3, 4], [-0.5, -0.5], 1.0, 1.0)
    assert (row.model, row.revision, row.licence) == ("ckpt/dpo", "f" * 64 + "+v1", "CC0-1.0")
    assert json.loads(row.metadata)["level"] == 1  # the prompt's own, which verifiers read


def test_the_revision_is_that_of_the_weights_of_the_first_token():
    spoken = answer([3, 4, 5])
    moved = replace(spoken, version_starts=[(4, 0), (5, 2)])
    rollout = Rollout(answer=moved, seed=7, reward=1.0, parts={}, correct=True, reason="")
    [row] = RolloutRows(POLICY, False).of(Group(draw=0, prompt=prompt(0), rollouts=[rollout]), 6, None)
    assert row.revision == "f" * 64 + "+v4"
    assert facts_of(row)["versions"] == [[4, 0], [5, 2]]
    assert row.seed == 7


def test_the_first_version_is_the_checkpoint_itself():
    later = ModelRef(role="policy", model="m", revision="abc+v3", engine="vllm", engine_version="1")
    assert [policy_at(later, version).revision for version in (0, 1, 12)] == ["abc", "abc+v1", "abc+v12"]


def test_thoughts_stand_apart_from_the_answer():
    text = "so and so</think>42"
    spoken = replace(answer([3]), text=text)
    rollout = Rollout(answer=spoken, seed=0, reward=1.0, parts={}, correct=True, reason="")
    [row] = RolloutRows(POLICY, True).of(Group(draw=0, prompt=prompt(0), rollouts=[rollout]), 1, None)
    assert (row.completion[0].content, row.completion[0].reasoning) == ("42", "so and so")


def test_what_somebody_measured_of_the_prompt_before_is_no_part_of_a_rollout():
    measured = prompt(0, metadata='{"level":2,"pass_rate":{"planned":8}}')
    drawn = Group(draw=0, prompt=measured, rollouts=group(0, (1.0,)).rollouts)
    [row] = RolloutRows(POLICY, False).of(drawn, 1, None)
    assert sorted(json.loads(row.metadata)) == ["level", "rollout"]


def test_metadata_that_is_no_object_is_refused():
    bad = Group(draw=0, prompt=prompt(0, metadata="[1]"), rollouts=group(0, (0.0,)).rollouts)
    with pytest.raises(DataError, match=f"prompt {bad.prompt.prompt_id}: its metadata is no JSON object"):
        RolloutRows(POLICY, False).of(bad, 1, None)


def test_going_on_forgets_what_was_drawn_after_the_checkpoint(tmp_path):
    options = run_options(tmp_path)
    run_id = filled(options).run_id
    again = open_archive(options, taken_after(2))
    assert [record.step for record in again.records()] == [1, 2]
    assert len(rows_of(again)) == 10
    assert len(files(options)) == 1 + 2 * 2  # the third batch's shard is gone as well
    again.add(batches()[2], 3)
    assert len(rows_of(again)) == 21
    assert again.run_id == run_id


def test_a_run_that_begins_anew_is_another_run(tmp_path):
    options = run_options(tmp_path)
    first = filled(options)
    second = open_archive(options, 0)
    assert second.run_id != first.run_id
    assert second.records() == []
    assert [path.name for path in files(options)] == ["run.json"]


def test_what_a_killed_process_was_writing_is_cleared(tmp_path):
    options = run_options(tmp_path)
    archive = filled(options)
    before = files(options)
    for name in ("data/.tmp-0123", "data/unnamed.parquet", "batches/.tmp-0456"):
        (options.run_folder / "rollouts" / name).write_bytes(b"half")
    again = open_archive(options, taken_after(3))
    assert files(options) == before
    assert again.records() == archive.records()


@pytest.mark.parametrize("missing", ["data", "batches", "run.json", "short"])
def test_rollouts_that_are_missing_stop_the_run_before_it_goes_on(tmp_path, missing):
    options = run_options(tmp_path)
    record = filled(options).records()[1]
    root = options.run_folder / "rollouts"
    place = {
        "data": root / record.shards[0].path,
        "batches": root / f"batches/{record.first:012}.json",
        "run.json": root / "run.json",
        "short": root / record.shards[0].path,
    }[missing]
    if missing == "short":
        place.write_bytes(place.read_bytes()[:-1])
    else:
        place.unlink()
    expected = "run.json: missing" if missing == "run.json" else "rollouts of draw 2 and later are missing"
    with pytest.raises(CorruptError, match=expected):
        open_archive(options, taken_after(3))


def test_a_record_that_cannot_be_read_is_named(tmp_path):
    options = run_options(tmp_path)
    filled(options)
    place = options.run_folder / "rollouts/batches/000000000002.json"
    place.write_bytes(b"{")
    with pytest.raises(CorruptError, match=r"batches/000000000002.json: not readable"):
        open_archive(options, taken_after(3))


def test_a_disk_that_takes_no_more_is_told_in_one_line(tmp_path):
    options = run_options(tmp_path)
    archive = filled(options, 1)
    data = options.run_folder / "rollouts/data"
    data.rename(data.with_name("moved"))
    data.write_bytes(b"a file where a folder must be")
    with pytest.raises(WriteError, match=r"rollouts not written \(.*\); make room, and the same command goes on"):
        archive.add(batches()[1], 2)


def test_a_batch_without_a_draw_leaves_nothing(tmp_path):
    archive = filled(run_options(tmp_path), 1)
    archive.add(Batch(groups=[], left_out={}, drawn=0), 2)
    assert [record.step for record in archive.records()] == [1]


def test_a_batch_that_taught_nothing_is_there_too(tmp_path):
    """The end of a run: an epoch of groups and none to learn from. Its draws are taken, so they must be kept."""
    options = run_options(tmp_path)
    archive = filled(options, 1)
    archive.add(Batch(groups=[], left_out={"all alike": 1}, drawn=1, others=[("all alike", group(2, (1.0, 1.0)))]), 2)
    again = open_archive(options, 3)
    again.add(Batch(groups=[], left_out={"all wrong": 1}, drawn=1, others=[("all wrong", group(3, (0.0, 0.0)))]), 2)
    assert [(record.step, record.first) for record in again.records()] == [(1, 0), (2, 2), (2, 3)]


def test_the_books_count_groups_and_rollouts(tmp_path):
    lost = Group(draw=10, prompt=prompt(2), rollouts=[], failed={"timeout": 2})
    archive = filled(run_options(tmp_path))
    archive.add(Batch(groups=[], left_out={"unanswered": 1}, drawn=1, others=[("unanswered", lost)]), 4)
    groups, rollouts = add_books(record.books for record in archive.records()).counters()
    assert (groups.rows_in, groups.rows_out) == (11, 6)
    assert groups.dropped == {"all alike": 3, "all wrong": 1, "unanswered": 1}
    assert (rollouts.rows_in, rollouts.rows_out, rollouts.failed) == (23, 21, {"timeout": 2})
    assert rollouts.noted == {"no reward": 1}
    assert groups.balances()
    assert rollouts.balances()


def test_draws_are_taken_up_to_the_first_one_that_waits():
    waiting = State(window=[(Draw(5, 9), None), (Draw(6, 10), group(6, (0.0, 1.0)))])
    waiting.drawing.number = 7
    assert waiting.taken == 5
    ended = State()
    ended.drawing.number = 7
    assert ended.taken == 7
