"""A scheduler on a clock of its own that goes on by random steps and now and then jumps: here, or as a process.

python -m tests.factory.schedules.stepping HOME SEED START STOP
"""

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from factory.schedules.cron import Cron
from factory.schedules.scheduler import Scheduler
from tests.factory.schedules.space import Clock

ROOT = Path(__file__).parents[3]
JUMPS = [0] * 12 + [-2.5 * 3600, 3 * 3600]


def keep_stepping(home, seed, start, stop, allowed=None):
    """From `start` to `stop`; or, where each step waits for `allowed`, until killed. Every job is done at once."""
    chance = random.Random(seed)
    clock = Clock(start)
    with Scheduler(home, clock) as scheduler:
        while clock.now < stop:
            if allowed is not None:
                allowed()
            clock.now = min(stop, max(start, clock.now + chance.uniform(30, 900) + chance.choice(JUMPS)))
            scheduler.step()
            end_jobs(scheduler.store)
        while allowed is not None or scheduler.step():
            end_jobs(scheduler.store)
            time.sleep(0.01)


def end_jobs(store):
    with store.transaction() as connection:
        connection.execute("UPDATE job SET state = 'done' WHERE state = 'queued'")


class Stepping:
    """A process that does so, step by step as it is allowed to."""

    def __init__(self, home, seed, start, stop):
        words = [sys.executable, "-m", "tests.factory.schedules.stepping", str(home), *map(str, (seed, start, stop))]
        self._process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def kill_after(self, steps, seconds):
        """In the middle of these steps, or after all of them, where they take less time than `seconds`."""
        assert self._process.stdout.readline() == b"ready\n"
        self._process.stdin.write(b"\n" * steps)
        self._process.stdin.flush()
        time.sleep(seconds)
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def check_each_once(store, schedule, start, stop):
    """How many times there were: each has one row, and one job where it fired."""
    expected = [float(time) for time in Cron(schedule.cron, schedule.zone).between(start, stop, 1000)]
    found = store.history(schedule.id, 1000)
    assert [firing.scheduled_for for firing in found] == expected[::-1]
    outcomes = Counter(firing.outcome for firing in found)
    assert outcomes == {"fired": len(expected)}, outcomes
    jobs = store.rows("SELECT id, slot FROM job WHERE source = ?", schedule.source)
    assert {firing.job_id for firing in found} == {row["id"] for row in jobs}
    assert len(jobs) == len({row["slot"] for row in jobs}) == len(expected)
    assert [row[0] for row in store.rows("PRAGMA integrity_check")] == ["ok"]
    return len(expected)


if __name__ == "__main__":
    print("ready", flush=True)
    keep_stepping(Path(sys.argv[1]), int(sys.argv[2]), *map(float, sys.argv[3:]), allowed=sys.stdin.readline)
