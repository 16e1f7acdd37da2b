"""Schedules become jobs: overlaps, pauses, firing by hand, and each time once whoever looks, and whatever clocks do."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from factory.jobs.store import JobStore
from factory.schedules.firing import MOST_WAITING
from factory.schedules.schedule import NewSchedule
from factory.schedules.store import ScheduleStore
from schemas.errors import ConflictError, DataError, NotFoundError
from tests.factory.schedules.space import WORK, Clock, Space, utc
from tests.factory.schedules.stepping import Stepping, check_each_once, keep_stepping

HOUR = 3600


@pytest.fixture
def space(tmp_path):
    space = Space(tmp_path)
    yield space
    space.scheduler.close()


def test_a_time_becomes_a_job_that_tells_where_it_comes_from(space):
    schedule = space.add(title="nightly", max_cost_usd=2.5, folder="/data")
    assert space.step(HOUR - 1) == []
    assert space.step(1) == [(60, "fired")]
    assert space.step(1) == []
    [firing] = space.store.history(schedule.id)
    with JobStore(space.home) as jobs:
        job = jobs.get(firing.job_id)
    assert (job.command, job.title, job.source, job.slot) == (
        WORK,
        "nightly",
        f"schedule:{schedule.id}",
        "2026-06-01T01:00:00Z",
    )
    assert (job.max_cost_usd, job.folder, job.key) == (2.5, "/data", f"schedule:{schedule.id}:2026-06-01T01:00:00Z")
    assert (firing.job_state, firing.decided) == ("queued", space.clock.now - 1)
    assert space.store.get(schedule.id).next_at == utc(2026, 6, 1, 2)


def test_a_job_that_has_not_ended_lets_times_pass(space):
    schedule = space.add(overlap="skip")
    assert space.step(HOUR) == [(60, "fired")]
    space.set_state("paused")
    assert space.step(HOUR) == [(120, "skipped:overlap")]
    space.end("failed")
    assert space.step(HOUR) == [(180, "fired")]
    assert [firing.outcome for firing in space.store.history(schedule.id)] == ["fired", "skipped:overlap", "fired"]


def test_times_queue_one_after_the_other(space):
    space.add(overlap="queue")
    assert [space.step(HOUR)[0][1] for _ in range(3)] == ["fired", "waiting", "waiting"]
    assert space.step() == []
    space.end()
    assert space.step() == [(120, "fired")]
    assert space.step(HOUR) == [(240, "waiting")]
    for minutes in (180, 240):
        space.end()
        assert space.step() == [(minutes, "fired")]
    assert space.jobs() == [f"2026-06-01T0{hour}:00:00Z" for hour in (1, 2, 3, 4)]


def test_a_queue_has_an_end(space):
    space.add("* * * * *", overlap="queue")
    found = [space.step(60)[0][1] for _ in range(MOST_WAITING + 3)]
    assert found == ["fired", *["waiting"] * MOST_WAITING, "skipped:full", "skipped:full"]


def test_a_later_time_takes_the_place_of_what_runs(space):
    schedule = space.add(overlap="cancel-running")
    space.step(HOUR)
    space.set_state("running")
    assert space.step(HOUR) == [(120, "waiting")]
    assert space.jobs("cancelling") == ["2026-06-01T01:00:00Z"]
    assert space.step(HOUR) == [(180, "waiting")]
    space.end("cancelled")
    assert space.step() == [(180, "fired")]
    assert [firing.outcome for firing in space.store.history(schedule.id)] == ["fired", "skipped:superseded", "fired"]
    assert space.step(HOUR) == [(240, "waiting")]  # and what had not begun is cancelled at once
    assert space.step(1) == [(240, "fired")]


def test_what_was_missed_is_caught_up_with_one_by_one(space):
    space.add(misfire="catch-up:2", overlap="queue")
    assert space.step(5 * HOUR + 60) == [
        (60, "skipped:missed"),
        (120, "skipped:missed"),
        (180, "skipped:missed"),
        (240, "fired"),
        (300, "waiting"),
    ]


def test_a_pause_leaves_its_times_out(space):
    schedule = space.add(misfire="catch-up:9", overlap="queue")
    assert space.store.pause(schedule.id).state == "paused"
    assert space.step(5 * HOUR) == []
    resumed = space.store.resume(schedule.id)
    assert (resumed.state, resumed.next_at) == ("active", utc(2026, 6, 1, 6))
    assert space.step(60) == []
    assert space.step(HOUR) == [(360, "fired")]
    assert space.store.resume(schedule.id).checked == utc(2026, 6, 1, 6)  # it was active: nothing is left out


def test_firing_by_hand_is_no_time_of_the_schedule(space):
    schedule = space.add()
    space.clock.now += HOUR
    firing = space.store.run_now(schedule.id)
    assert (firing.outcome, firing.scheduled_for) == ("fired", utc(2026, 6, 1, 1) + 0.001)
    with pytest.raises(ConflictError, match=f"job {firing.job_id} of this schedule has not ended"):
        space.store.run_now(schedule.id)
    space.end()
    assert space.store.run_now(schedule.id).scheduled_for == utc(2026, 6, 1, 1) + 0.002
    space.end()
    assert space.step() == [(60, "fired")]
    assert space.jobs()[:2] == ["2026-06-01T01:00:00.001Z", "2026-06-01T01:00:00.002Z"]


def test_a_removed_schedule_is_gone_and_its_jobs_are_not(space):
    schedule = space.add(overlap="queue")
    other = space.add("30 * * * *")
    space.step(HOUR)
    space.step(HOUR)
    assert space.store.remove(schedule.id).id == schedule.id
    assert space.store.list() == [space.store.get(other.id)]
    space.end()
    assert space.step() == []
    assert len(space.jobs()) == 2
    for call in (space.store.get, space.store.remove, space.store.pause, space.store.history, space.store.run_now):
        with pytest.raises(NotFoundError, match="`factory schedule ls` lists them"):
            call(schedule.id)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"cron": "0 2 * *"}, "write five fields"),
        ({"cron": "0 0 30 2 *"}, "bad day-of-month"),
        ({"zone": "Mars/Olympus"}, "no such time zone"),
        ({"misfire": "catch-up"}, "one of skip, run-once, catch-up:1 to catch-up:99"),
        ({"misfire": "catch-up:3"}, "needs overlap queue"),
        ({"overlap": "both"}, "one of skip, queue, cancel-running"),
        ({"jitter_s": 3600}, "give less than the 3600 s from one time to the next"),
        ({"jitter_s": -1}, "a jitter of -1 s"),
        ({"command": ["rm", "-rf"]}, "a job runs factory or trainer"),
        ({"command": ["factory", "serve"]}, "not the work of a job"),
        ({"max_cost_usd": -1.0}, "give more than 0"),
    ],
)
def test_what_is_wrong_is_named(space, changes, complaint):
    with pytest.raises(DataError, match=complaint):
        space.add(**changes)
    assert space.store.list() == []


def test_jitter_holds_a_time_back_and_loses_none(space):
    schedule = space.add("*/10 * * * *", jitter_s=590, overlap="queue")
    fired = []
    for _ in range(12 * 60):
        space.clock.now += 60
        for firing in space.scheduler.step():
            late = firing.decided - schedule.starts_at(firing.scheduled_for)
            assert 0 <= late < 60
            fired.append(firing.scheduled_for)
        space.end()
    assert fired == [utc(2026, 6, 1) + 600 * number for number in range(1, len(fired) + 1)]
    assert 70 <= len(fired) <= 72


def test_two_hundred_firings_with_two_schedulers_whose_clocks_jump(tmp_path):
    """Every 15 minutes from before to after the autumn change of Berlin's clocks, fixed and passing hours mixed.

    Each scheduler has its own clock, which goes on by a random step, and now and then jumps by hours, both ways.
    """
    start, stop = utc(2026, 10, 24, 12), utc(2026, 10, 26, 12)
    crons = ["*/15 * * * *", "0,30 2 * * *", "10 0-5 * * *"]
    with ScheduleStore(tmp_path, Clock(start)) as store:
        schedules = [
            store.add(
                NewSchedule(cron=cron, command=WORK, zone="Europe/Berlin", misfire="catch-up:99", overlap="queue")
            )
            for cron in crons
        ]
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(keep_stepping, tmp_path, seed, start, stop) for seed in (1, 2)]:
            done.result()
    with ScheduleStore(tmp_path) as store:
        assert sum(check_each_once(store, schedule, start, stop) for schedule in schedules) == 192 + 4 + 12


def test_schedulers_that_are_killed_decide_each_time_once(tmp_path):
    """Two processes at a time on clocks of their own, both killed somewhere: 20 kills, then one goes on to the end."""
    start, stop = utc(2026, 3, 28, 12), utc(2026, 3, 30, 12)
    with ScheduleStore(tmp_path, Clock(start)) as store:
        more = {"command": WORK, "zone": "Europe/Berlin", "misfire": "catch-up:99", "overlap": "queue"}
        schedules = [store.add(NewSchedule(cron=cron, **more)) for cron in ("*/30 * * * *", "20,40 1-3 * * *")]
    chance = random.Random(20)
    unfinished = 0
    for turn in range(10):
        begin, end = (start + (stop - start) * part / 10 for part in (turn, turn + 1))
        for process in [Stepping(tmp_path, 2 * turn + place, begin, end) for place in range(2)]:
            process.kill_after(chance.randint(3, 15), chance.uniform(0.0, 0.25))  # it takes over 30 steps
        with ScheduleStore(tmp_path) as store:
            unfinished += min(one.next_at for one in store.list()) < end - HOUR
    assert unfinished >= 3  # they were killed on the way
    keep_stepping(tmp_path, 99, start, stop)
    with ScheduleStore(tmp_path) as store:
        assert sum(check_each_once(store, schedule, start, stop) for schedule in schedules) == 96 + 11
