"""Jobs as they run, with processes that are killed at every point of an attempt."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from factory.jobs.claims import claim
from factory.jobs.folder import Exit, job_folder, write_exit
from factory.jobs.limits import Limits
from factory.jobs.runner import Runner
from factory.jobs.settle import find_ending
from tests.factory.jobs.space import working_space
from tests.factory.jobs.watch import MODULE, POINTS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="process ends with its parent on Linux only")

SLOW_AT_FIRST = ("--first-seconds", 0.1, "--seconds", 0)  # there is time to interfere, and none is lost after it


@pytest.fixture
def space(tmp_path):
    with working_space(tmp_path, max_running=4, cancel_grace_s=0.3, max_lost=2) as space:
        yield space


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_job_runs_to_its_end(space):
    job = space.submit("--rows", 3, folder=str(space.home))
    done = space.until_in(job.id, "done")
    assert (done.attempts, done.exit_code, done.error, done.pid) == (1, 0, None, None)
    assert job.created <= done.started <= done.ended <= time.time()
    assert space.rows(job.id) == [0, 1, 2]
    assert f"home {space.home}, in {space.home}, cap None, stdin ''" in space.log(job.id)


def test_a_job_that_fails_says_why_and_goes_on_when_it_is_tried_again(space):
    job = space.submit("--exit", 3, "--say", "error: too many \x1b[31m rows failed")
    failed = space.until_in(job.id, "failed")
    assert (failed.exit_code, failed.error) == (3, "too many \\u{1b}[31m rows failed")
    space.store.retry(job.id)
    again = space.until_in(job.id, "failed")
    assert (again.attempts, space.rows(job.id)) == (2, [0, 1, 2])


@pytest.mark.parametrize("point", POINTS)
def test_whoever_is_killed_at_any_point_of_an_attempt_the_job_is_done_once(space, monkeypatch, point):
    monkeypatch.setenv("JOBS_DIE_AT", point)
    job = space.submit("--rows", 5)
    done = space.until_in(job.id, "done")
    assert done.attempts == (1 if point == "noted" else 2)
    assert space.rows(job.id) == [0, 1, 2, 3, 4]


def test_a_command_ends_with_the_process_that_watches_over_it_before_it_is_started_again(space):
    job = space.submit("--rows", 400, *SLOW_AT_FIRST)
    space.until_rows(job.id, 3)
    os.kill(space.store.get(job.id).pid, signal.SIGKILL)
    done = space.until_in(job.id, "done", "failed")  # `work` fails beside another
    assert (done.state, done.attempts, space.rows(job.id)) == ("done", 2, list(range(400)))


def test_a_job_outlives_its_runner_and_is_adopted_by_the_next(space):
    job = space.submit("--rows", 30)
    space.until_rows(job.id, 1)
    space.runner.close()
    with Runner(space.home, watch=MODULE) as second:
        space.store = second.store
        space.until(lambda: second.store.get(job.id).state == "done", second)
        assert second.store.get(job.id).attempts == 1
    space.runner = Runner(space.home, watch=MODULE)
    space.store = space.runner.store


def test_what_a_runner_claimed_and_never_started_is_taken_over_when_it_is_gone(space):
    job = space.submit()
    with Runner(space.home, watch=MODULE) as other, other.store.transaction() as connection:
        claim(connection, other._owner.name, lambda job, active: True)
    with Runner(space.home, watch=MODULE) as other:
        with other.store.transaction() as connection:
            assert claim(connection, other._owner.name, lambda job, active: True) is None
        space.runner.step()  # notices that the first owner is gone
        assert space.until_in(job.id, "done").attempts == 2


def test_what_a_living_runner_claimed_is_left_to_it_as_long_as_its_lease_lasts(space):
    job = space.submit()
    with Runner(space.home, watch=MODULE) as other:
        with other.store.transaction() as connection:
            claim(connection, other._owner.name, lambda job, active: True)
        space.runner.step()
        assert space.store.get(job.id).attempts == 1
        with space.store.transaction() as connection:
            connection.execute("UPDATE job SET lease = lease - 3600")
        space.runner.step()
        assert space.until_in(job.id, "done").attempts == 2


def test_a_process_that_comes_too_late_for_its_attempt_does_nothing(space):
    job = space.submit("--rows", 2)
    space.until_in(job.id, "done")
    late = [sys.executable, "-m", MODULE, str(space.home), job.id, "1", "1"]
    assert subprocess.run(late, check=False).returncode == 0
    assert (space.store.get(job.id).attempts, space.rows(job.id)) == (1, [0, 1])


def test_a_process_id_that_was_given_to_another_is_left_alone(space):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as innocent:
        job = space.submit("--rows", 2)
        with space.store.transaction() as connection:
            claimed = claim(connection, "gone.1.0", lambda job, active: True)
            connection.execute("UPDATE job SET pid = ? WHERE id = ?", (innocent.pid, claimed.id))
        space.store.cancel(job.id)
        assert space.until_in(job.id, "cancelled").attempts == 1
        space.store.retry(job.id)
        assert space.until_in(job.id, "done").attempts == 2
        assert innocent.poll() is None
        innocent.kill()


def test_an_exit_of_an_earlier_attempt_is_not_taken_for_this_one(space):
    job = space.submit("--rows", 400, *SLOW_AT_FIRST)
    job_folder(space.home, job.id).mkdir(parents=True)
    write_exit(job_folder(space.home, job.id), Exit(0, 0, time.time()))
    space.until_rows(job.id, 2)
    assert space.store.get(job.id).state == "running"


def test_an_end_that_is_noted_between_two_looks_is_seen(space, monkeypatch):
    job = space.submit("--rows", 10_000)
    space.until_rows(job.id, 1)
    running = space.store.get(job.id)

    def let_go_after_noting(path):
        write_exit(path.parent, Exit(1, 0, 5.0))
        return False

    monkeypatch.setattr("factory.jobs.settle.is_held", let_go_after_noting)
    assert find_ending(space.home, running) == Exit(1, 0, 5.0)
    os.kill(running.pid, signal.SIGKILL)


def test_a_paused_job_ends_where_it_can_go_on_and_goes_on(space):
    job = space.submit("--rows", 400, *SLOW_AT_FIRST)
    space.until_rows(job.id, 3)
    assert space.store.pause(job.id).state == "pausing"
    paused = space.until_in(job.id, "paused")
    assert (paused.exit_code, paused.attempts) == (75, 1)
    made = space.rows(job.id)
    assert 3 <= len(made) < 400
    for _ in range(3):
        space.runner.step()
    assert space.rows(job.id) == made
    space.store.resume(job.id)
    assert space.until_in(job.id, "done").attempts == 2
    assert space.rows(job.id) == list(range(400))


def test_a_job_that_was_paused_before_it_began_does_not_begin(space):
    job = space.submit()
    with space.runner.store.transaction() as connection:
        claimed = claim(connection, space.runner._owner.name, lambda job, active: True)
    space.store.pause(job.id)
    space.runner._children[space.runner._start(claimed)] = (claimed.id, 1)
    assert space.until_in(job.id, "paused").exit_code == 75
    assert space.rows(job.id) == []


def test_cancelling_ends_a_job_that_takes_no_notice_and_its_children(space):
    job = space.submit("--stubborn", "--rows", 10_000)
    space.until_rows(job.id, 2)
    child = int((job_folder(space.home, job.id) / "child").read_text())
    assert is_running(child)
    space.store.cancel(job.id)
    assert space.until_in(job.id, "cancelled").exit_code == -signal.SIGKILL
    assert len(space.rows(job.id)) < 10_000
    space.until(lambda: not is_running(child))


def test_pausing_waits_for_one_that_takes_no_notice_until_it_is_cancelled(space):
    job = space.submit("--stubborn", "--rows", 10_000)
    space.until_rows(job.id, 2)
    space.store.pause(job.id)
    before = len(space.rows(job.id))
    space.until_rows(job.id, before + 60)
    assert space.store.get(job.id).state == "pausing"
    space.store.cancel(job.id)
    space.until_in(job.id, "cancelled")


def test_a_machine_that_shuts_down_loses_no_job(space):
    job = space.submit("--rows", 400, *SLOW_AT_FIRST)
    space.until_rows(job.id, 2)
    os.kill(space.store.get(job.id).pid, signal.SIGTERM)
    done = space.until_in(job.id, "done")
    assert (done.attempts, space.rows(job.id)) == (2, list(range(400)))


def test_a_job_that_is_killed_again_and_again_fails_in_the_end(space):
    job = space.submit("--die")
    failed = space.until_in(job.id, "failed")
    assert (failed.attempts, failed.exit_code) == (3, -signal.SIGKILL)
    assert failed.error == "killed 3 times, each soon after it began"


def test_a_folder_that_is_gone_fails_the_job(space):
    job = space.submit(folder=str(space.home / "gone"))
    failed = space.until_in(job.id, "failed")
    assert failed.exit_code == 127
    assert "cannot be started" in failed.error


def test_a_broken_note_of_the_end_fails_that_job_alone(space):
    job, other = space.submit("--rows", 10_000), space.submit()
    space.until_rows(job.id, 1)
    (job_folder(space.home, job.id) / "exit.json").write_text("{")
    assert "exit.json" in space.until_in(job.id, "failed").error
    assert space.until_in(other.id, "done").attempts == 1
    os.kill(int(_pid_of_work(space, job.id)), signal.SIGKILL)


def _pid_of_work(space, id):
    """Of the command: the one process whose environment names the job's folder and that leads a group."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if f"/{id}/progress.jsonl".encode() in (place / "environ").read_bytes():
                return place.name
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    raise AssertionError("it does not run")


def test_two_runners_run_each_job_once(space):
    jobs = [space.submit("--rows", 2) for _ in range(8)]
    with Runner(space.home, Limits(max_running=4), watch=MODULE) as second:
        space.until(lambda: space.store.counts().get("done") == 8, space.runner, second)
    assert [space.store.get(job.id).attempts for job in jobs] == [1] * 8
    assert all(space.rows(job.id) == [0, 1] for job in jobs)


def test_no_more_run_at_once_than_allowed(tmp_path):
    with working_space(tmp_path, max_running=2) as space:
        for _ in range(5):
            space.submit("--rows", 5)
        most = 0

        def is_over():
            nonlocal most
            most = max(most, len(space.store.list(("running",))))
            return space.store.counts().get("done") == 5

        space.until(is_over)
        assert most == 2


def test_a_cap_reaches_the_command(tmp_path):
    with working_space(tmp_path) as space:
        job = space.store.submit(["factory", "build", "traces"], max_cost_usd=2.5)
        space.until_in(job.id, "done")
        assert "cap 2.5" in space.log(job.id)
