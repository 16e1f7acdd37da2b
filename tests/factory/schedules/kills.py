"""Two services on one workspace, killed with their watching processes and commands while schedules fire.

What must hold at the end: every time of every schedule has one row, every row that fired has one job and every job one
row, and every job was done, its own rows made once and in order.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from factory.schedules.cron import Cron
from factory.schedules.schedule import NewSchedule, Schedule
from factory.schedules.store import ScheduleStore
from tests.factory.jobs import kills
from tests.factory.schedules.service_process import STOP, now
from tests.factory.schedules.space import utc

START = utc(2026, 10, 24, 22, 30)  # an hour and a half before clocks in Berlin go back: an hour there comes twice
SPEED = 200.0  # times of five minutes come every second and a half
WORK = ["factory", "work", "--rows", str(kills.ROWS), "--seconds", "0.01"]
ZONES = ("Europe/Berlin", "UTC")
POLICIES = (("skip", "run-once"), ("queue", "catch-up:99"))
PATIENCE_S = 120
MOST_TIMES = 10_000


def run(home: Path, points: int, seed: int) -> dict[str, Any]:
    """As `tests.factory.jobs.kills.run`."""
    killing = KillingServices(home, seed)
    began = time.monotonic()
    try:
        while killing.total < points:
            killing.strike()
        killing.finish()
    finally:
        killing.end()
    found = killing.fired()
    return found | killing.figures() | {"seconds": round(time.monotonic() - began, 1)}


class KillingServices(kills.Killing):
    """`runner`, among those that are killed, is a service: its clock of schedules and its runner of jobs."""

    def __init__(self, home: Path, seed: int) -> None:
        self.schedules = ScheduleStore(home, lambda: START)
        self._home, self._origin = home, time.time()
        every = "*/5 * * * *"
        self._made = [
            self.schedules.add(NewSchedule(cron=every, command=WORK, zone=zone, overlap=overlap, misfire=misfire))
            for zone in ZONES
            for overlap, misfire in POLICIES
        ]
        super().__init__(home, seed)

    def _runner(self) -> subprocess.Popen[bytes]:
        words = [str(self._home), *map(repr, (START, self._origin, SPEED))]
        command = [sys.executable, "-m", "tests.factory.schedules.service_process", *words]
        return subprocess.Popen(command, cwd=kills.ROOT, env={**os.environ, "PYTHONPATH": str(kills.ROOT)})

    def finish(self) -> None:
        """The clock stands still; what is due by then is decided, and what was fired comes to its end."""
        aside = self._home / "aside"
        aside.write_text(repr(self._now()))
        aside.replace(self._home / STOP)
        give_up = time.monotonic() + PATIENCE_S
        while not self._is_decided():
            assert time.monotonic() < give_up, self.schedules.list()
            time.sleep(0.1)
        super().finish()

    def _now(self) -> float:
        return now(self._home, START, self._origin, SPEED)

    def _is_decided(self) -> bool:
        waiting = self.schedules.rows("SELECT 1 FROM firing WHERE outcome = 'waiting' LIMIT 1")
        return not waiting and all((each.next_at or 0.0) > self._now() for each in self.schedules.list())

    def fired(self) -> dict[str, Any]:
        """Counts; raises AssertionError where a time was decided twice or never, or has not just its one job."""
        outcomes: Counter[str] = Counter()
        for schedule in self._made:
            outcomes += self._fired(schedule)
        jobs = self.schedules.rows("SELECT count(*) FROM job")[0][0]
        assert jobs == outcomes["fired"], (jobs, outcomes)
        self.schedules.close()
        return {"times": outcomes.total(), "outcomes": dict(sorted(outcomes.items()))}

    def _fired(self, schedule: Schedule) -> Counter[str]:
        expected = [float(at) for at in Cron(schedule.cron, schedule.zone).between(START, self._now(), MOST_TIMES)]
        query = "SELECT scheduled_for, outcome, job_id FROM firing WHERE schedule_id = ? ORDER BY scheduled_for"
        found = self.schedules.rows(query, schedule.id)
        assert [row["scheduled_for"] for row in found] == expected, schedule
        jobs = {row[0] for row in self.schedules.rows("SELECT id FROM job WHERE source = ?", schedule.source)}
        of_rows = [row["job_id"] for row in found if row["outcome"] == "fired"]
        assert len(of_rows) == len(set(of_rows)), schedule
        assert set(of_rows) == jobs, schedule
        return Counter(row["outcome"] for row in found)
