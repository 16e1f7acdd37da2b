"""A runner of jobs that fires schedules, too: all that a machine without the service needs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from factory.jobs.limits import Limits
from factory.jobs.runner import Runner, Step
from factory.schedules.schedule import Firing, stamp
from factory.schedules.scheduler import Scheduler


class ScheduledRunner(Runner):
    """One thread at a time may call `step`."""

    def __init__(self, home: Path, limits: Limits | None = None, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(home, limits)
        self.scheduler = Scheduler(home, clock)

    def close(self) -> None:
        self.scheduler.close()
        super().close()

    def step(self) -> Step:
        for firing in self.scheduler.step():
            _say(firing)
        return super().step()


def _say(firing: Firing) -> None:
    job = f", job {firing.job_id}" if firing.job_id else ""
    time = stamp(firing.scheduled_for)
    print(f"schedule {firing.schedule_id} {time}: {firing.outcome}{job}", file=sys.stderr, flush=True)
