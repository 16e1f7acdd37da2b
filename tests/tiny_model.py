"""The tiny model with random weights, made once a session in a temporary folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Read once, when torch is loaded: threads that spin while they wait are many times slower on a machine that others use.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder: random weights, so its answers are gibberish of every length."""
    from trainer.tiny.make import make_tiny

    return make_tiny(tmp_path_factory.mktemp("tiny") / "random", steps=0).folder
