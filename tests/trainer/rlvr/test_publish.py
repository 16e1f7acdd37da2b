"""The versions that a run leaves: they load, they can be read on, their books balance, each is there once."""

import json
import os
import subprocess
import sys

import msgspec
import pytest

from factory.store.pass_rates import pass_rates
from factory.store.verify import verify
from judges.base import VerifierJudge
from judges.registry import make_verifier
from pipelines.groups import read_groups
from pipelines.measured import read_measured
from schemas.datasets import open_version, versions
from schemas.errors import CorruptError, DataError
from schemas.folder import Folder
from tests.schemas.rows import prompt as prompt_row
from tests.trainer.rlvr.lives import POLICY, PROMPTS, batches, live, open_archive, run_options, run_outputs
from tests.trainer.small import version
from trainer.data.sources import open_source
from trainer.errors import TrainError
from trainer.options import RECORDS
from trainer.recipe import identity
from trainer.rlvr.ledger import Ledger
from trainer.rlvr.pass_rates import measure
from trainer.rlvr.publish import publish
from trainer.rlvr.tasks import read_tasks
from trainer.rlvr_recipe import RlvrRecipe, SignalTable

EVERY = int(os.environ.get("TRAINER_EVERY_DEATH", "5"))  # 1: die at each of the 47 moments


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    options = run_options(tmp_path_factory.mktemp("published"))
    return options, live(options)


def test_both_versions_load_with_datasets_and_with_our_reader(made, tmp_path):
    import datasets

    datasets.disable_progress_bars()
    options, manifests = made
    named = [(one.name, one.version, one.rows) for one in manifests]
    assert named == [("rlvr-rollouts", 1, 21), ("rlvr-pass-rate", 1, 8)]
    for manifest in manifests:
        rows = list(open_version(f"{manifest.name}@v1", options.workspace).records())
        folder = str(options.workspace / manifest.name)
        loaded = datasets.load_dataset(folder, cache_dir=str(tmp_path / "hf"), split="train")
        assert loaded.to_list() == msgspec.to_builtins(rows)
        assert verify(folder, options.workspace).broken == {}


def test_manifests_say_where_rows_come_from(made):
    options, (rollouts, rates) = made
    data = open_version("prompts@v1", options.workspace)
    assert rollouts.inputs == [data.ref]
    assert rates.inputs == [data.ref, open_version("rlvr-rollouts@v1", options.workspace).ref]
    assert rollouts.models == rates.models == [POLICY]
    assert rollouts.recipe == identity(options.recipe)
    assert rollouts.licences == rates.licences == ["CC0-1.0"]
    assert (rollouts.tokens.prompt, rollouts.tokens.completion) == (21 * 2, 21 * 2)
    groups, answers = rollouts.counters
    assert (groups.rows_in, groups.rows_out, groups.dropped) == (10, 6, {"all alike": 3, "all wrong": 1})
    assert answers.rows_out == rollouts.rows
    [measured] = rates.counters
    assert (measured.rows_in, measured.rows_out) == (8, 8)


def test_pass_rates_are_the_data_of_the_next_run(made):
    options, _ = made
    source = open_source("rlvr-pass-rate@v1", options.workspace, RECORDS["rlvr"])
    [kept], left_out = read_tasks([source], SignalTable(min_pass_rate=0.1, max_pass_rate=0.9), needs_verifier=True)
    assert [task.prompt.prompt_id for task in kept] == [PROMPTS[number].prompt_id for number in (1, 2, 4, 5)]
    assert {task.pass_rate for task in kept} == {0.5}
    assert left_out == {"too easy": 3, "too hard": 1}


def test_pass_rates_are_shown_as_a_histogram(made):
    options, _ = made
    found = pass_rates(open_version("rlvr-pass-rate@v1", options.workspace))
    assert {one.label: one.total for one in found.bins if one.total} == {"0": 1, "0.5": 4, "1": 3}


def test_pass_rates_are_prompts_to_the_factory(made):
    options, _ = made
    found = [prompt for _, prompt in read_measured(open_version("rlvr-pass-rate@v1", options.workspace), 0, 8)]
    assert [(one.prompt_id, one.metadata) for one in found] == [(one.prompt_id, one.metadata) for one in PROMPTS]


async def test_rollouts_are_groups_to_the_factorys_judges(made):
    options, _ = made
    rollouts = open_version("rlvr-rollouts@v1", options.workspace)
    groups = [placed.group for placed in read_groups(rollouts, 0, rollouts.manifest.rows)]
    assert [len(group.completions) for group in groups] == [2, 2, 2, 2, 2, 3, 2, 2, 2, 2]
    assert groups[0].prompt.metadata == PROMPTS[0].metadata
    judge = VerifierJudge(make_verifier("string_matcher", {"whole_text": True}))
    judged = [one.verdict for group in groups[3:5] for one in await judge.judge(group)]
    assert judged == ["wrong", "wrong", "correct", "correct"]


def test_a_second_run_of_the_same_recipe_is_a_second_version(made):
    options, _ = made
    for left in (options.run_folder / "saved", *options.run_folder.glob("rollouts/*.json")):
        left.unlink()
    again = live(options)
    assert [one.version for one in again] == [2, 2]
    assert versions(Folder.open(options.workspace / "rlvr-rollouts")) == [1, 2]


def test_a_killed_run_leaves_its_rollouts_in_its_folder_alone(tmp_path):
    options = run_options(tmp_path)
    run_outputs(options)
    open_archive(options, 0).add(batches()[0], 1)
    assert sorted(path.name for path in options.workspace.iterdir()) == ["prompts"]


def test_killed_anywhere_the_same_command_finishes_and_nothing_is_there_twice(tmp_path):
    command = [sys.executable, "-m", "tests.trainer.rlvr.lives", str(tmp_path), str(EVERY)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert said["deaths"] >= 40 // EVERY
    whole = {"broken": {}, "left": [], "versions": [1]}
    assert said["ends"] == [
        {
            "rlvr-rollouts": {**whole, "rows": 21, "different": 21},
            "rlvr-pass-rate": {**whole, "rows": 8, "different": 8},
        }
    ]


def test_nothing_drawn_makes_no_version(tmp_path):
    options = run_options(tmp_path)
    assert publish(run_outputs(options), open_archive(options, 0), measure(PROMPTS, {}, POLICY)) == []


def test_without_a_verdict_there_are_rollouts_and_no_pass_rates(tmp_path):
    options = run_options(tmp_path)
    archive = open_archive(options, 0)
    archive.add(batches()[0], 1)
    [rollouts] = publish(run_outputs(options), archive, measure(PROMPTS, Ledger().entries, POLICY))
    assert rollouts.name == "rlvr-rollouts"


def test_a_shard_that_is_gone_is_told_and_nothing_is_committed(tmp_path):
    options = run_options(tmp_path)
    archive = open_archive(options, 0)
    archive.add(batches()[0], 1)
    [shard] = archive.records()[0].shards
    (options.run_folder / "rollouts" / shard.path).write_bytes(b"PAR1")
    with pytest.raises(CorruptError, match="4 bytes where the draft says"):
        publish(run_outputs(options), archive, measure(PROMPTS, {}, POLICY))
    assert versions(Folder.open(options.workspace / "rlvr-rollouts")) == []


@pytest.mark.parametrize("out", ["my run", "x" * 60, "-rlvr"])
def test_a_name_that_no_dataset_can_have_is_refused_before_the_run(tmp_path, out):
    with pytest.raises(TrainError, match=r"its rollouts would be the dataset .*; set run.datasets"):
        run_outputs(run_options(tmp_path, out))
    named = run_outputs(run_options(tmp_path, out, datasets="round-1"))
    assert (named.rollouts.name, named.pass_rates.name) == ("round-1-rollouts", "round-1-pass-rate")


def test_a_dataset_of_another_kind_is_refused_before_the_run(tmp_path):
    options = run_options(tmp_path)
    version(options.workspace, "rlvr-pass-rate", [prompt_row(0)])
    with pytest.raises(DataError, match=r"rlvr-pass-rate: holds prompts, .* makes pass-rate; set run.datasets"):
        run_outputs(options)


def test_what_the_datasets_are_called_is_no_part_of_the_run():
    plain, named = (RlvrRecipe(max_steps=1, optimizer={"lr": 1e-4}, run=run) for run in ({}, {"datasets": "round-1"}))
    assert identity(plain) == identity(named)
