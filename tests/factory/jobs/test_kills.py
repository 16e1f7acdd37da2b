"""A few of the kills that `python -m bench.jobs` makes by the hundred."""

import sys

import pytest

from tests.factory.jobs.kills import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="process ends with its parent on Linux only")


def test_every_job_is_done_once_whoever_is_killed(tmp_path):
    found = run(tmp_path, points=24, seed=7)
    assert found["points"] == 24
    assert found["done"] == found["jobs"] >= 5
    assert found["attempts"] > found["jobs"]
