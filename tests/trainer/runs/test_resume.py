"""Where a run goes on, and what it refuses to go on with."""

import json
import shutil

import pytest
from safetensors.torch import load

from tests.trainer.engine.training import gap
from tests.trainer.runs.commands import run
from tests.trainer.small import conversations, version

LAST = "step-00000006"


def cut_short(checkpoint):
    file = checkpoint / "state" / "mp_rank_00_model_states.pt"
    file.write_bytes(file.read_bytes()[:-100])
    return "mp_rank_00_model_states.pt is missing or cut short"


def without_marker(checkpoint):
    (checkpoint / "COMPLETE").unlink()
    return "no COMPLETE"


def with_half_a_marker(checkpoint):
    file = checkpoint / "COMPLETE"
    file.write_bytes(file.read_bytes()[:50])
    return "COMPLETE cannot be read"


def with_a_byte_flipped(checkpoint):
    file = checkpoint / "random-0.pt"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    return "the bytes of random-0.pt changed"


def without_a_file(checkpoint):
    (checkpoint / "random-0.pt").unlink()
    return "random-0.pt is missing"


ENGINES = {
    "zero0": {"engine__zero": 0},
    "zero0-bf16": {"engine__zero": 0, "model__dtype": "bf16"},
    "zero1-bf16": {"engine__zero": 1, "model__dtype": "bf16"},
    "zero3-checkpointing": {"engine__zero": 3, "model__gradient_checkpointing": True},
    "zero3-bf16-lora": {"engine__zero": 3, "model__dtype": "bf16", "lora__rank": 4, "lora__dropout": 0.1},
    "zero2-lora": {"engine__zero": 2, "lora__rank": 4},
    "zero3-offloaded-parameters": {"engine__zero": 3, "engine__offload_parameters": True},
}


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_goes_on_as_if_nothing_had_been(space, name):
    settings = ENGINES[name] | {"max_steps": 4}
    whole = run(space.home, *space.sft(name, **settings))
    assert whole.code == 0, whole.err
    shutil.rmtree(space.copy_run(name, f"{name}-on") / "step-00000004")
    ended = run(space.home, *space.sft(f"{name}-on", **settings))
    assert ended.code == 0, ended.err
    assert f"{name}-on: goes on after step 2" in ended.err
    assert space.weights(f"{name}-on") == space.weights(name)
    assert space.losses(f"{name}-on") == space.losses(name)


@pytest.mark.skipif(shutil.which("c++") is None, reason="DeepSpeed compiles its AdamW for the CPU; there is no c++")
@pytest.mark.timeout(900)  # the first time it is compiled
def test_an_offloaded_optimiser_goes_on_up_to_rounding(space):
    """DeepSpeed's AdamW for the CPU multiplies beta by itself at each step, and takes its power when it goes on."""
    settings = {"engine__offload_optimizer": True, "max_steps": 4}
    assert run(space.home, *space.sft("offloaded", **settings)).code == 0
    shutil.rmtree(space.copy_run("offloaded", "offloaded-on") / "step-00000004")
    ended = run(space.home, *space.sft("offloaded-on", **settings))
    assert ended.code == 0, ended.err
    made, calm = (load(space.weights(name)) for name in ("offloaded-on", "offloaded"))
    assert gap(made, calm) < 1e-6
    again, before = (dict(space.losses(name)) for name in ("offloaded-on", "offloaded"))
    assert again == pytest.approx(before, abs=1e-5)


TEARS = [cut_short, without_marker, with_half_a_marker, with_a_byte_flipped, without_a_file]


@pytest.mark.parametrize("tear", TEARS)
def test_a_torn_checkpoint_is_skipped_with_a_line(space, finished, tear):
    name = tear.__name__
    problem = tear(space.copy_run("whole", name) / LAST)
    ended = run(space.home, *space.sft(name))
    assert ended.code == 0, ended.err
    assert f"{LAST}: skipped" in ended.err
    assert problem in ended.err
    assert f"{name}: goes on after step 4" in ended.err
    assert space.weights(name) == space.weights("whole")
    assert space.losses(name) == space.losses("whole")


def test_all_torn_starts_again_from_the_beginning(space, finished):
    checkpoints = space.copy_run("whole", "all-torn")
    for checkpoint in checkpoints.iterdir():
        without_marker(checkpoint)
    ended = run(space.home, *space.sft("all-torn"))
    assert ended.code == 0, ended.err
    assert ended.err.count("skipped") == 3
    assert "goes on" not in ended.err
    assert space.weights("all-torn") == space.weights("whole")
    assert space.losses("all-torn") == space.losses("whole")
    assert space.checkpoints("all-torn") == ["step-00000002", "step-00000004", LAST]


def test_strange_names_beside_the_checkpoints_are_left_alone(space, finished):
    checkpoints = space.copy_run("whole", "strange")
    shutil.copytree(checkpoints / LAST, checkpoints / "step-00000006.kept-by-me")
    (checkpoints / ".step-00000004.tmp").mkdir()  # what a killed process leaves
    assert run(space.home, *space.sft("strange")).code == 0
    assert "step-00000006.kept-by-me" in space.checkpoints("strange")
    assert ".step-00000004.tmp" not in space.checkpoints("strange")


def test_only_the_newest_are_kept(space):
    assert run(space.home, *space.sft("kept", run__keep_checkpoints=1)).code == 0
    assert space.checkpoints("kept") == [LAST]


REFUSED = {
    "recipe.optimizer.lr": {"optimizer__lr": 2e-3},
    "recipe.batch.rows": {"batch__rows": 4},
    "recipe.engine.zero": {"engine__zero": 3},
    "recipe.lora": {"lora__rank": 4},
    "model": {"model": "other"},
    "data": {"data": "traces@v1:0.5"},
}


@pytest.mark.parametrize("key", REFUSED)
def test_another_recipe_model_or_weight_is_refused_by_its_key(space, finished, key):
    name = f"refused-{key}"
    space.copy_run("whole", name)
    ended = run(space.home, *space.sft(name, **REFUSED[key]))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert f"begun with other {key}" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_the_same_name_with_other_rows_is_refused(space, finished):
    """What a tag names moves on: the text of the command is the same, the version is not."""
    version(space.home, "moving", conversations(48))
    assert run(space.home, *space.sft("moved", data="moving@latest", max_steps=2)).code == 0
    shutil.rmtree(space.home / "moved")
    version(space.home, "moving", conversations(49))
    ended = run(space.home, *space.sft("moved", data="moving@latest", max_steps=2))
    assert ended.code == 2
    assert "begun with other data; restore that, or name another --out" in ended.err


def test_a_finished_checkpoint_is_not_trained_again(space, finished):
    before = space.weights("whole")
    ended = run(space.home, *space.sft("whole"))
    assert (ended.code, ended.out, ended.err) == (0, "whole\n", "whole: trained already\n")
    ended = run(space.home, *space.sft("whole", optimizer__lr=2e-3))
    assert ended.code == 2
    assert "training.json: begun with other recipe.optimizer.lr" in ended.err
    assert space.weights("whole") == before


def test_a_folder_of_somebody_else_is_not_touched(space):
    (space.home / "theirs").mkdir()
    (space.home / "theirs" / "notes.txt").write_text("mine")
    ended = run(space.home, *space.sft("theirs"))
    assert ended.code == 2
    assert "theirs: is there, and was not made by this" in ended.err
    assert [path.name for path in (space.home / "theirs").iterdir()] == ["notes.txt"]


def test_another_number_of_processes_is_refused_and_says_what_to_do(space, finished):
    space.copy_run("whole", "by-two")
    ended = run(space.home, *space.sft("by-two"), processes=2)
    assert ended.code == 2
    assert "was saved by 1 processes and cannot go on with 2; use as many as before (--processes 1)" in ended.err
    assert ended.err.count("error: ") == 1


def test_how_it_is_run_may_change(space, finished):
    """How often is saved changes nothing; smaller micro-batches and recomputing change the last digits."""
    checkpoints = space.copy_run("whole", "smaller")
    shutil.rmtree(checkpoints / LAST)
    shutil.rmtree(checkpoints / "step-00000004")
    changes = {"run__checkpoint_every": 5, "batch__micro_tokens": 200, "model__gradient_checkpointing": True}
    ended = run(space.home, *space.sft("smaller", **changes))
    assert ended.code == 0, ended.err
    assert [step for step, _ in space.losses("smaller")] == [1, 2, 3, 4, 5, 6]
    assert space.losses("smaller")[:2] == space.losses("whole")[:2]


def test_a_run_that_saved_nothing_may_be_begun_anew_with_another_recipe(space):
    space.folder("anew").mkdir()
    (space.folder("anew") / "run.json").write_text(json.dumps({"recipe": {"kind": "dpo"}}))
    assert run(space.home, *space.sft("anew", max_steps=1)).code == 0
