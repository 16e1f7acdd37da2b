"""A workspace with schedules, a clock that a test sets, and jobs that end when the test says so."""

from datetime import UTC, datetime

from factory.schedules.schedule import NewSchedule
from factory.schedules.scheduler import Scheduler

WORK = ["factory", "build", "traces", "--data", "prompts@latest", "--new-only"]


def utc(*parts):
    return datetime(*parts, tzinfo=UTC).timestamp()


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


class Space:
    """The first of June 2026, midnight UTC."""

    def __init__(self, home):
        self.home, self.clock = home, Clock(utc(2026, 6, 1))
        self.scheduler = Scheduler(home, self.clock)
        self.store = self.scheduler.store

    def add(self, cron="0 * * * *", **more):
        return self.store.add(NewSchedule(cron=cron, command=more.pop("command", WORK), **more))

    def step(self, seconds=0.0):
        """What is decided so many seconds later: times as minutes since the last midnight UTC, with the outcome."""
        self.clock.now += seconds
        return [(firing.scheduled_for % 86400 / 60, firing.outcome) for firing in self.scheduler.step()]

    def jobs(self, *states):
        """Slots of jobs, oldest first."""
        where = f"WHERE state IN ({','.join(repr(state) for state in states)})" if states else ""
        return [row["slot"] for row in self.store.rows(f"SELECT slot FROM job {where} ORDER BY number")]

    def end(self, state="done"):
        """All jobs that are there."""
        with self.store.transaction() as connection:
            connection.execute("UPDATE job SET state = ? WHERE state NOT IN ('done', 'failed', 'cancelled')", (state,))

    def set_state(self, state):
        with self.store.transaction() as connection:
            connection.execute("UPDATE job SET state = ? WHERE state = 'queued'", (state,))
