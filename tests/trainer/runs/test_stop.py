"""Runs that end before their time: told to, in one another's way, or because one process of several is gone."""

import os
import signal

import pytest

from schemas.datasets import open_version
from tests.faults.trainer_kill import run_kills
from tests.trainer.runs.commands import Command, run
from tests.trainer.small import conversations, version

LONG = {"max_steps": 24, "epochs": 8, "run__checkpoint_every": 0}


def lines(space, out):
    file = space.folder(out) / "metrics.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


@pytest.mark.parametrize("kind", ["sft", "dpo", "reward"])
def test_kill_9_in_every_phase_changes_neither_weights_nor_log(tmp_path, kind):
    figures = run_kills(tmp_path, kind, kills={"dpo": 7, "sft": 3, "reward": 2}[kind], seed=3)
    assert (figures["other_weights"], figures["other_lines"]) == (0, 0)
    assert figures["kills"] >= 2


def test_kill_9_of_two_processes_changes_nothing(tmp_path):
    figures = run_kills(tmp_path, "sft", kills=2, seed=4, processes=2)
    assert (figures["kills"], figures["other_weights"], figures["other_lines"]) == (2, 0, 0)


@pytest.mark.parametrize("processes", [1, 2])
def test_sigterm_saves_and_the_same_command_goes_on(space, processes):
    name, calm = f"terminated{processes}", f"calm{processes}"
    words = space.sft(name, **LONG)
    command = Command(space.home, *words, processes=processes)
    assert command.wait_until(lambda: lines(space, name) >= 3)
    command.signal(signal.SIGTERM)
    ended = command.end()
    assert ended.code == 75
    assert ended.err.count("stopped by SIGTERM; the same command goes on") == 1
    assert "error" not in ended.err
    [saved] = space.checkpoints(name)
    again = run(space.home, *words, processes=processes)
    assert again.code == 0, again.err
    assert f"goes on after step {int(saved.removeprefix('step-'))}" in again.err
    assert run(space.home, *space.sft(calm, **LONG), processes=processes).code == 0
    assert space.weights(name) == space.weights(calm)
    assert space.losses(name) == space.losses(calm)


def test_sigterm_before_the_first_step_leaves_nothing_to_clear_up(space):
    words = space.sft("early", rows__max_length=700)  # other rows than before, so that they are prepared
    command = Command(space.home, *words)
    assert command.wait_until((space.folder("early") / "lock").exists)
    command.signal(signal.SIGTERM)
    assert command.end().code == 75
    assert not space.folder("early").joinpath("checkpoints").exists()
    assert run(space.home, *words).code == 0


def test_ctrl_c_stops_at_once_and_the_last_checkpoint_is_there(space):
    words = space.sft("interrupted", **LONG | {"run__checkpoint_every": 2})
    command = Command(space.home, *words)
    assert command.wait_until(lambda: lines(space, "interrupted") >= 4)
    command.signal(signal.SIGINT)
    ended = command.end()
    assert ended.code == 130
    assert ended.err.endswith("interrupted\n")  # it may have come in the middle of a line of progress
    assert "Traceback" not in ended.err
    again = run(space.home, *words)
    assert again.code == 0, again.err
    assert "goes on after step" in again.err


def test_two_trainers_of_one_checkpoint(space):
    words = space.sft("contested", **LONG)
    first = Command(space.home, *words)
    assert first.wait_until(lambda: lines(space, "contested") >= 1)
    second = run(space.home, *words)
    assert (second.code, second.out) == (5, "")
    assert second.err.splitlines() == [
        "error: contested.run: another process is training this checkpoint; wait for it, or stop it"
    ]
    assert first.end().code == 0


def test_when_one_of_two_processes_is_killed_the_other_ends_with_one_line(space):
    command = Command(space.home, *space.sft("halved", **LONG), processes=2)
    assert command.wait_until(lambda: lines(space, "halved") >= 2)
    os.kill(command.processes[1].pid, signal.SIGKILL)
    ended = command.end()
    assert ended.codes == [2, -9]
    errors = [line for line in ended.err.splitlines() if not line.startswith("halved: step")]
    assert len(errors) == 1, ended.err
    assert errors[0].startswith("error: halved: another process is gone")


def test_what_only_one_process_sees_is_told_once(space):
    """Each process reads its own shards: the second finds the second changed, and the first hears of nothing."""
    data = version(space.home, "damaged", conversations(40))
    shard = space.home / "damaged" / open_version(data, space.home).manifest.shards[1].path
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    ended = run(space.home, *space.sft("damaged-out", data=data), processes=2)
    assert sorted(ended.codes) == [1, 1]
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, ended.err
    assert "Traceback" not in ended.err
    assert ".parquet: its bytes are not those that its manifest names" in errors[0]


def test_a_loss_that_is_no_number_stops_the_run(space):
    ended = run(space.home, *space.sft("diverged", optimizer__lr=1e20, optimizer__clip=0, schedule__warmup=0))
    assert ended.code == 2
    [error] = [line for line in ended.err.splitlines() if line.startswith("error")]
    assert "metrics.jsonl: " in error
    assert "lower the learning rate" in error
    assert not (space.home / "diverged").exists()


def test_a_row_that_fits_into_no_micro_batch_is_named_before_the_first_step(space):
    ended = run(space.home, *space.sft("too-small", batch__micro_tokens=40))
    assert ended.code == 2
    [error] = ended.err.splitlines()
    assert "traces@v1: row " in error
    assert "tokens, and batch.micro_tokens = 40; raise it to at least that, or lower rows.max_length" in error
