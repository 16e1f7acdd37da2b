"""One process alone, a small model and small versions, for all tests of the engine."""

import pytest

from tests.trainer.small import conversations, pairs, small_model, version


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A workspace: `base`, `untied`, `traces@v1`, `pairs@v1`."""
    home = tmp_path_factory.mktemp("engine")
    small_model(home / "base")
    small_model(home / "untied", tied=False)
    version(home, "traces", conversations(64))
    version(home, "pairs", pairs(64))
    return home
