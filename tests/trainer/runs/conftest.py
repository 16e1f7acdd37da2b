"""A workspace with a small model and small versions, and one finished run in it."""

import pytest

from tests.trainer.runs.commands import run
from tests.trainer.runs.space import Space
from tests.trainer.small import conversations, pairs, small_model, version


@pytest.fixture(scope="session")
def space(tmp_path_factory):
    home = tmp_path_factory.mktemp("runs")
    small_model(home / "base", attention_dropout=0.1)
    small_model(home / "other", seed=1)
    version(home, "traces", conversations(48))
    version(home, "pairs", pairs(48))
    return Space(home)


@pytest.fixture(scope="session")
def finished(space):
    """`whole`: 6 steps of SFT, saved after steps 2, 4 and 6. Its weights and its losses are what others must get."""
    ended = run(space.home, *space.sft("whole"))
    assert ended.code == 0, ended.err
    return ended
