"""Submitting jobs and wishing things of them, from many threads and connections."""

import threading

import pytest

from factory.jobs.claims import claim, end_attempt, take
from factory.jobs.database import writing
from factory.jobs.job import STATES, NewJob, new_id
from factory.jobs.store import JobStore, insert_job
from schemas.errors import ConflictError, DataError, NotFoundError

BUILD = ["factory", "build", "traces", "--data", "prompts"]


@pytest.fixture
def store(tmp_path):
    with JobStore(tmp_path) as store:
        yield store


def in_state(store, state):
    job = store.submit(BUILD)
    with store.transaction() as connection:
        connection.execute("UPDATE job SET state = ?, exit_code = 1, error = 'x' WHERE id = ?", (state, job.id))
    return job.id


def test_a_job_is_kept_as_it_was_submitted(store, tmp_path):
    submitted = store.submit([*BUILD, "--out", "tr\u00e4ces"], title="nightly", source="api", folder="/somewhere")
    with JobStore(tmp_path) as other:
        assert other.get(submitted.id) == submitted
    assert (submitted.state, submitted.out, submitted.title) == ("queued", "tr\u00e4ces", "nightly")
    assert store.submit(BUILD).title == "build traces -> traces"


def test_a_key_has_one_job_however_often_it_is_submitted(store):
    first = store.submit(BUILD, key="schedule:a:1")
    assert store.submit([*BUILD, "--n", "2"], key="schedule:a:1") == first
    assert store.submit(BUILD, key="schedule:a:2").id != first.id
    assert store.submit(BUILD).id != store.submit(BUILD).id


def test_a_job_of_a_transaction_that_fails_is_not_there(store):
    def add_and_fail():
        with store.transaction() as connection:
            insert_job(connection, NewJob(command=BUILD, slot="2026-03-29T02:00"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_fail()
    assert store.list() == []
    with writing(store._connection) as connection:
        insert_job(connection, NewJob(command=BUILD, slot="2026-03-29T02:00"))
    assert [job.slot for job in store.list()] == ["2026-03-29T02:00"]


def test_jobs_are_listed_newest_first_in_pages(store):
    ids = [store.submit(BUILD).id for _ in range(5)]
    assert [job.id for job in store.list(limit=2)] == [ids[4], ids[3]]
    assert [job.id for job in store.list(limit=2, before=ids[3])] == [ids[2], ids[1]]
    store.cancel(ids[1])
    assert [job.id for job in store.list(("cancelled",))] == [ids[1]]
    assert store.list(()) == []
    assert store.counts() == {"cancelled": 1, "queued": 4}


def test_ids_sort_by_time():
    ids = [new_id(1_700_000_000 + step * 0.001) for step in range(100)]
    assert ids == sorted(ids)
    assert {len(id) for id in ids} == {11}


# What a wish makes of each state; states that are not named refuse it.
WISHES = {
    "pause": {"queued": "paused", "running": "pausing", "pausing": "pausing", "paused": "paused"},
    "resume": {"paused": "queued", "queued": "queued", "running": "running"},
    "cancel": {
        **{"queued": "cancelled", "paused": "cancelled", "cancelled": "cancelled"},
        **{"running": "cancelling", "pausing": "cancelling", "cancelling": "cancelling"},
    },
    "retry": {"failed": "queued", "cancelled": "queued"},
}


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("state", STATES)
def test_what_may_be_wished_of_a_job_in_each_state(store, wish, state):
    id = in_state(store, state)
    if state in WISHES[wish]:
        assert getattr(store, wish)(id).state == store.get(id).state == WISHES[wish][state]
    else:
        with pytest.raises(ConflictError, match=f"job {id} is {state}"):
            getattr(store, wish)(id)


def test_a_job_that_is_tried_again_forgets_how_it_failed(store):
    id = in_state(store, "failed")
    retried = store.retry(id)
    assert (retried.exit_code, retried.error, retried.ended) == (None, None, None)


def test_no_such_job(store):
    with pytest.raises(NotFoundError, match="'nonesuch'"):
        store.pause("nonesuch")


def test_each_job_is_claimed_once_however_many_try(store, tmp_path):
    ids = {store.submit(BUILD).id for _ in range(60)}
    claimed = []

    def claim_all(owner):
        with JobStore(tmp_path) as own:
            while True:
                with own.transaction() as connection:
                    job = claim(connection, owner, lambda job, active: True)
                if job is None:
                    return
                claimed.append(job.id)

    threads = [threading.Thread(target=claim_all, args=(f"owner-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(ids)


def test_the_oldest_job_that_there_is_room_for_is_claimed(store):
    first, second = store.submit(BUILD), store.submit(["trainer", "sft", "--out", "x"])
    with store.transaction() as connection:
        assert claim(connection, "me", lambda job, active: job.command[0] == "trainer").id == second.id
        assert claim(connection, "me", lambda job, active: len(active) == 1).id == first.id
        assert claim(connection, "me", lambda job, active: True) is None


def test_an_attempt_is_taken_by_one_process_and_not_once_it_is_over(store):
    id = store.submit(BUILD).id
    with store.transaction() as connection:
        claim(connection, "me", lambda job, active: True)
        assert take(connection, id, 2, 100) is None
        job = take(connection, id, 1, 100)
        assert take(connection, id, 1, 101) is None
        assert end_attempt(connection, job, {"state": "queued"}).pid is None
        assert end_attempt(connection, job, {"state": "failed"}) is None
        assert take(connection, id, 1, 102) is None


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ([], "nothing"),
        (["bash", "-c", "true"], "'bash'"),
        (["/usr/bin/factory", "build", "traces"], "runs factory or trainer"),
        (["factory"], "not the work of a job"),
        (["factory", "serve"], "not the work of a job"),
        (["factory", "jobs", "run"], "not the work of a job"),
        (["factory", "build", "a\0b"], "NUL"),
        (["factory", "build", "x" * 70_000], "65536"),
    ],
)
def test_what_is_no_job_is_refused(store, command, why):
    with pytest.raises(DataError, match=why):
        store.submit(command)
    assert store.list() == []
