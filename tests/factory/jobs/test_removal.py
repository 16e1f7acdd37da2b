"""Removing jobs: those that ended, all or none, with their folders."""

import fcntl
import json
import time

import pytest

from factory.cli import main
from factory.jobs.folder import LOCK, LOG, job_folder
from factory.jobs.job import ENDED, STATES
from factory.jobs.removal import clean_jobs, remove_jobs
from factory.jobs.store import JobStore
from schemas.errors import ConflictError, NotFoundError

BUILD = ["factory", "build", "traces", "--data", "prompts"]
DAY = 86_400.0


@pytest.fixture
def store(tmp_path):
    with JobStore(tmp_path) as store:
        yield store


def a_job(store, state="done", ended=0.0, spent=None):
    """With a folder; it ended so long ago."""
    job = store.submit(BUILD)
    at = time.time() - ended if state in ENDED else None
    with store.transaction() as connection:
        values = (state, at, spent, job.id)
        connection.execute("UPDATE job SET state = ?, ended = ?, spent_usd = ? WHERE id = ?", values)
    folder = job_folder(store.home, job.id)
    folder.mkdir(parents=True)
    (folder / LOG).write_text("said")
    return job.id


def ids(store):
    return {job.id for job in store.list()}


@pytest.mark.parametrize("state", STATES)
def test_only_a_job_that_has_ended_is_removed(store, state):
    job, other = a_job(store, state), a_job(store)
    if state in ENDED:
        assert [each.id for each in remove_jobs(store, [other, job])] == [other, job]
        assert ids(store) == set()
        assert not job_folder(store.home, job).exists()
        return
    with pytest.raises(ConflictError, match=f"job {job} is {state}"):
        remove_jobs(store, [other, job])
    assert ids(store) == {job, other}  # none, where one cannot be
    assert (job_folder(store.home, other) / LOG).exists()


def test_a_job_that_is_not_there_and_one_named_twice(store):
    job = a_job(store)
    with pytest.raises(NotFoundError, match="00000000000"):
        remove_jobs(store, [job, "00000000000"])
    assert [each.id for each in remove_jobs(store, [job, job])] == [job]


def test_what_was_spent_today_still_counts_for_the_limit(store):
    midnight = time.time() % DAY  # seconds since
    today, before = a_job(store, spent=0.5), a_job(store, ended=midnight + 60, spent=0.5)
    free = a_job(store, spent=0.0)
    with pytest.raises(ConflictError, match=r"\$0.50.*tomorrow"):
        remove_jobs(store, [today])
    assert {job.id for job in clean_jobs(store, 0)} == {before, free}
    assert ids(store) == {today}


def test_one_whose_watching_process_has_not_gone_yet_stays(store):
    job = a_job(store)
    with (job_folder(store.home, job) / LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="just ending"):
            remove_jobs(store, [job])
        assert clean_jobs(store, 0) == []
    assert [each.id for each in clean_jobs(store, 0)] == [job]


def test_cleaning_takes_old_jobs_and_folders_of_nobody(store, tmp_path):
    old, young, queued = a_job(store, ended=31 * DAY), a_job(store, "failed", ended=29 * DAY), a_job(store, "queued")
    stray = job_folder(tmp_path, "0123456789a")
    stray.mkdir()
    aside = tmp_path / "aside"
    aside.mkdir()
    (stray.parent / "0123456789b").symlink_to(aside)
    assert [job.id for job in clean_jobs(store, 30 * DAY)] == [old]
    assert ids(store) == {young, queued}
    assert not stray.exists()
    assert aside.exists()
    assert job_folder(tmp_path, young).exists()


def test_the_commands(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    first, old, running = a_job(store), a_job(store, ended=3 * DAY), a_job(store, "queued")
    assert main(["jobs", "rm"]) == 2
    assert main(["jobs", "rm", first, running]) != 0
    assert f"job {running} is queued" in capsys.readouterr().err
    assert main(["jobs", "rm", first]) == 0
    assert capsys.readouterr().out == f"{first} removed\n"
    assert main(["jobs", "clean", "--older", "2 days"]) == 2
    assert "--older 2 days" in capsys.readouterr().err
    assert main(["jobs", "clean", "--older", "2d", "--json"]) == 0
    assert [job["id"] for job in json.loads(capsys.readouterr().out)] == [old]
    assert ids(store) == {running}
