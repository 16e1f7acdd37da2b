"""Which times are due, and what becomes of those that nobody saw in time."""

import pytest

from factory.schedules.due import NOTED, decide
from factory.schedules.schedule import Schedule
from tests.factory.schedules.space import utc

MIDNIGHT = int(utc(2026, 6, 1))
HOUR = 3600


def hourly(**changes):
    fields = {
        "id": "abc",
        "title": "",
        "cron": "0 * * * *",
        "zone": "UTC",
        "command": [],
        "folder": None,
        "state": "active",
        "misfire": "run-once",
        "overlap": "skip",
        "jitter_s": 0,
        "max_cost_usd": None,
        "created": MIDNIGHT,
        "checked": MIDNIGHT,
        "next_at": MIDNIGHT + HOUR,
    }
    return Schedule(**fields | changes)


def hours(times):
    return [(time - MIDNIGHT) / HOUR for time in times]


@pytest.mark.parametrize(
    ("misfire", "now_h", "fire", "missed"),
    [
        ("skip", 0.99, [], []),
        ("skip", 1.0, [1], []),
        ("skip", 1.9, [1], []),
        ("skip", 5.5, [5], [1, 2, 3, 4]),
        ("run-once", 5.5, [5], [1, 2, 3, 4]),
        ("catch-up:3", 5.5, [3, 4, 5], [1, 2]),
        ("catch-up:9", 3.0, [1, 2, 3], []),
    ],
)
def test_what_was_missed_is_made_up_for_as_the_policy_says(misfire, now_h, fire, missed):
    due = decide(hourly(misfire=misfire), MIDNIGHT + now_h * HOUR)
    assert (hours(due.fire), hours(due.missed)) == (fire, missed)
    assert hours([due.checked, due.next_at]) == [int(now_h), int(now_h) + 1]


@pytest.mark.parametrize(("misfire", "fire"), [("skip", []), ("run-once", [2]), ("catch-up:2", [2])])
def test_a_time_that_is_seen_an_hour_late_is_missed(misfire, fire):
    daily = hourly(cron="0 2 * * *", misfire=misfire, next_at=MIDNIGHT + 2 * HOUR)
    assert hours(decide(daily, MIDNIGHT + 3 * HOUR).fire) == [2]
    late = decide(daily, MIDNIGHT + 3 * HOUR + 1)
    assert hours(late.fire) == fire
    assert hours(late.fire + late.missed) == [2]


def test_a_long_gap_notes_the_last_times_alone():
    due = decide(hourly(cron="* * * * *"), MIDNIGHT + 30 * 24 * HOUR)
    assert (len(due.missed), len(due.fire)) == (NOTED - 1, 1)
    assert due.checked == due.fire[0] == MIDNIGHT + 30 * 24 * HOUR


def test_jitter_is_the_same_for_the_same_time_and_spreads_evenly():
    schedule = hourly(jitter_s=600)
    late = [schedule.starts_at(MIDNIGHT + number * HOUR) - MIDNIGHT - number * HOUR for number in range(1000)]
    assert late == [schedule.starts_at(MIDNIGHT + number * HOUR) - MIDNIGHT - number * HOUR for number in range(1000)]
    assert 0 <= min(late) < 10
    assert 590 < max(late) < 600
    assert sum(late) / 1000 == pytest.approx(300, abs=25)  # uniform: its standard error is 600 / sqrt(12 * 1000) = 5.5
    assert [hourly(jitter_s=600, id="xyz").starts_at(MIDNIGHT + number * HOUR) for number in range(9)] != late[:9]
    starts_at = schedule.starts_at(MIDNIGHT + HOUR)
    assert decide(schedule, starts_at - 0.01).fire == []
    assert decide(schedule, starts_at).fire == [MIDNIGHT + HOUR]


def test_a_clock_that_is_put_back_is_followed():
    schedule = hourly(checked=MIDNIGHT + 10 * HOUR, next_at=MIDNIGHT + 11 * HOUR)
    back = decide(schedule, MIDNIGHT + 3.5 * HOUR)
    assert (back.fire, back.missed, hours([back.checked, back.next_at])) == ([], [], [3.5, 4])
    little = decide(schedule, MIDNIGHT + 10 * HOUR - 30)
    assert hours([little.checked, little.next_at]) == [10, 11]
