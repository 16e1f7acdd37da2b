"""Two services killed while schedules fire; `python -m bench.schedules` kills 200 times."""

from tests.factory.schedules import kills


def test_each_time_is_decided_once_and_each_job_done_once(tmp_path):
    found = kills.run(tmp_path, points=12, seed=3)
    assert (found["points"], found["done"]) == (12, found["jobs"])
    assert found["outcomes"]["fired"] == found["jobs"] > 0
    assert found["killed"].keys() & {"runner", "runner and watch"}  # a service among them
