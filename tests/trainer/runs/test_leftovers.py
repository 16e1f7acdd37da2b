"""Rows whose preparation was killed: what lay beside their place is gone after the next run, whatever that prepares."""

import signal

from tests.trainer.runs.commands import Command, run
from tests.trainer.small import conversations, version


def half_written(space):
    return [path.name for path in space.home.glob(".trainer/**/*.tmp-*")]


def test_the_next_run_clears_up_after_a_killed_one(space):
    many = version(space.home, "many", conversations(3000), per_shard=3000)
    command = Command(space.home, *space.sft("killed", data=many))
    assert command.wait_until(lambda: bool(half_written(space)))
    command.signal(signal.SIGKILL)
    assert command.end().code == -signal.SIGKILL
    assert len(half_written(space)) == 1
    assert run(space.home, "plan", *space.sft("other", max_steps=1)).code == 0
    assert half_written(space) == []
