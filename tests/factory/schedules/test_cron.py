"""Times of cron expressions against Debian's rules, minute by minute, across every kind of clock change."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from factory.schedules.cron import Cron
from schemas.errors import DataError

MINUTE = timedelta(minutes=1)
# Expression, and which minutes it means: of the hour, the hour, the weekday (Monday is 0), each None for all.
EXPRESSIONS = {
    "0 2 * * *": ({0}, {2}, None),
    "30 2 * * *": ({30}, {2}, None),
    "0,30 1-3 * * *": ({0, 30}, {1, 2, 3}, None),
    "45 0 * * *": ({45}, {0}, None),
    "15 2 * * SUN": ({15}, {2}, {6}),
    "*/20 * * * *": ({0, 20, 40}, None, None),
    "5 * * * *": ({5}, None, None),
    "0 */2 * * *": ({0}, set(range(0, 24, 2)), None),
    "*/20 2 * * *": ({0, 20, 40}, {2}, None),
}
# Zone, and a change of its clocks: an hour, half an hour, at midnight, and a whole day that was left out.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 2, 18, 2, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 5, 1, tzinfo=UTC)),
]


def by_the_rules(expression, zone, start, stop):
    """Times after `start`, up to `stop`: whole minutes as they go by, or those of the local clock."""
    minutes, hours, days = EXPRESSIONS[expression]

    def matches(clock):
        fits = (clock.minute in minutes, hours is None or clock.hour in hours, days is None or clock.weekday() in days)
        return all(fits)

    if expression.startswith("*") or expression.split()[1].startswith("*"):
        count = (stop - start) // MINUTE
        found = [start + number * MINUTE for number in range(1, count + 1)]
        return [moment for moment in found if matches(moment.astimezone(ZoneInfo(zone)))]
    clock = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None) - timedelta(days=2)
    found = set()
    while clock < start.replace(tzinfo=None) + timedelta(days=6):
        if matches(clock):
            found.add(the_first(clock, ZoneInfo(zone)))
        clock += MINUTE
    return sorted(moment for moment in found if start < moment <= stop)


def the_first(clock, zone):
    """When a local clock shows this for the first time, or what comes right after the gap that leaves it out."""
    while True:
        moment = clock.replace(tzinfo=zone).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == clock:
            return moment
        clock += MINUTE


def seconds(moments):
    return [int(moment.timestamp()) for moment in moments]


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_times_are_those_of_debians_cron(zone, change, expression):
    cron = Cron(expression, zone)
    start, stop = change - timedelta(days=1, minutes=7), change + timedelta(days=2)
    times = seconds(by_the_rules(expression, zone, start, stop))
    assert times
    assert cron.between(start.timestamp(), stop.timestamp(), 10_000) == times
    assert [time for time in cron.upcoming(start.timestamp(), len(times) + 1) if time <= stop.timestamp()] == times
    chance = random.Random(expression)
    for _ in range(12):  # from anywhere, so from inside the hour that is there twice as well
        after = change.timestamp() + chance.randrange(-7200, 7200)
        until = after + chance.randrange(0, 9000)
        inside = [time for time in times if after < time <= until]
        assert cron.between(after, until, 10_000) == inside
        assert cron.between(after, until, 2) == inside[-2:]
        assert cron.next_after(after) == next((time for time in times if time > after), cron.next_after(times[-1]))


def test_spring_and_autumn_of_berlin_as_the_manual_says():
    night = Cron("30 2 * * *", "Europe/Berlin")
    at = datetime(2026, 3, 28, 12, tzinfo=UTC).timestamp()
    assert night.upcoming(at, 2) == seconds(
        [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 3, 30, 0, 30, tzinfo=UTC)]
    )
    at = datetime(2026, 10, 24, 12, tzinfo=UTC).timestamp()
    twice = [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)]
    assert night.upcoming(at, 2) == seconds(twice)
    hourly = Cron("0 * * * *", "Europe/Berlin").upcoming(at, 20)
    assert [later - earlier for earlier, later in pairwise(hourly)] == [3600] * 19


def test_days_are_both_or_either_as_debian_reads_them():
    """A star in one of the two day fields means both must match, else either."""
    at = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    found = Cron("0 0 13 * FRI", "UTC").upcoming(at, 3)
    assert found == seconds(datetime(2026, 6, day, tzinfo=UTC) for day in (5, 12, 13))
    assert Cron("0 0 31 12 *", "UTC").next_after(at) == seconds([datetime(2026, 12, 31, tzinfo=UTC)])[0]
    assert Cron("0 0 29 2 *", "UTC").next_after(at) == seconds([datetime(2028, 2, 29, tzinfo=UTC)])[0]


@pytest.mark.parametrize(
    ("expression", "zone", "complaint"),
    [
        ("0 2 * *", "UTC", "not a cron expression; write five fields: minute hour"),
        ("0 0 2 * * *", "UTC", "write five fields"),
        ("60 2 * * *", "UTC", "bad minute"),
        ("0 2 * * MUN", "UTC", "bad day-of-week"),
        ("0 2 31 2 *", "UTC", "bad day-of-month"),
        ("0 2 * * * " * 50, "UTC", "not a cron expression"),
        ("0 2 * * *", "Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("0 2 * * *", "../../etc/passwd", "no such time zone"),
        ("0 2 * * *", "Europe", "no such time zone"),
    ],
)
def test_what_is_wrong_is_named(expression, zone, complaint):
    with pytest.raises(DataError, match=complaint.replace("?", r"\?")):
        Cron(expression, zone)
