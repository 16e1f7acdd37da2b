"""SIGTERM in the midst of asynchronous work: it clears up first, and nothing of it is lost."""

import asyncio
import os
import signal

import pytest

from trainer.stop import TERMINATED, Stopped, Terminations, heeding_sigterm


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def run(work):
    """What `Terminations.run` gives, SIGTERM heeded."""
    terminations = Terminations("eval.json")
    with terminations.heeded():
        return terminations.run(work)


async def waiting(happened, then=None):
    """Waits for ever, and clears up for a while when it is told to end."""
    try:
        (then or terminate)()
        await asyncio.sleep(60)
        happened.append("went on")
    finally:
        happened.append("clears up")
        await asyncio.sleep(0.05)
        happened.append("cleared up")


def test_work_clears_up_and_then_it_is_stopped():
    happened = []
    with pytest.raises(Stopped, match=r"eval\.json: stopped by SIGTERM; the same command goes on"):
        run(waiting(happened))
    assert happened == ["clears up", "cleared up"]


def test_a_second_one_does_not_disturb_the_clearing_up():
    happened = []

    def twice():
        terminate()
        asyncio.get_running_loop().call_later(0.02, terminate)

    with pytest.raises(Stopped):
        run(waiting(happened, twice))
    assert happened == ["clears up", "cleared up"]


def test_one_that_comes_inside_a_callback_of_the_loop_is_not_lost():
    happened = []
    with pytest.raises(Stopped):
        run(waiting(happened, lambda: asyncio.get_running_loop().call_soon(terminate)))
    assert happened == ["clears up", "cleared up"]


def test_work_that_is_done_all_the_same_counts_as_stopped():
    async def deaf():
        terminate()
        return 1

    with pytest.raises(Stopped):
        run(deaf())


def test_undisturbed_it_gives_what_the_work_gives_and_sigterm_is_as_it_was():
    before = signal.getsignal(signal.SIGTERM)

    async def work():
        await asyncio.sleep(0)
        return 7

    assert run(work()) == 7
    assert signal.getsignal(signal.SIGTERM) is before


def test_errors_of_the_work_are_its_own():
    async def work():
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run(work())


def test_a_command_that_was_stopped_has_a_code_and_a_line(capsys):
    assert heeding_sigterm("ckpt", lambda terminations: terminate() or 0) == TERMINATED == 75
    assert capsys.readouterr().err == "ckpt: stopped by SIGTERM; the same command goes on\n"
    assert heeding_sigterm("ckpt", lambda terminations: 3) == 3
