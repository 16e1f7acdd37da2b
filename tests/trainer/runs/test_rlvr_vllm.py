"""RLVR with rollouts from the real vLLM, weights changed while it answers, and the server killed in the middle."""

import json
import os
import signal

import pytest

from tests.factory.sampling.local.test_vllm import interpreter, servers
from tests.trainer.runs.commands import Command
from tests.trainer.runs.test_rlvr import made_prompt, words
from tests.trainer.small import version
from trainer.tiny.make import make_tiny

__all__ = ["interpreter"]
GAP = 1e-4  # nats, a mean over tokens, float32 in both

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]


def lines(folder):
    log = folder / "metrics.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_a_killed_server_comes_back_with_the_latest_weights(space, interpreter):
    make_tiny(space.home / "tiny", steps=0)
    prompts = version(space.home, "asked", [made_prompt(number) for number in range(40)])
    settings = {"rollouts__engine": "vllm", "rollouts__max_age": 1, "max_steps": 6, "optimizer__lr": 1e-3}
    asked = [word if word != "base" else "tiny" for word in words(space, prompts, "served", **settings)]
    command = Command(space.home, *asked)
    folder = space.folder("served")
    assert command.wait_until(lambda: sum(line["kind"] == "train" for line in lines(folder)) >= 2)
    for pid in servers(command.processes[0].pid):
        os.kill(pid, signal.SIGKILL)
    ended = command.end()
    assert ended.code == 0, ended.err
    assert "starting it again" in ended.err
    train = [line for line in lines(folder) if line["kind"] == "train"]
    assert [line["step"] for line in train] == [1, 2, 3, 4, 5, 6]
    # What the server says of its tokens is what the trainer says of them, with the weights of that moment: a rollout
    # that is one batch old differs by what that batch taught.
    fresh = [line["sampler/logprob_gap"] for line in train if line["rollouts/age"] == 0]
    assert fresh
    assert max(fresh) < GAP
