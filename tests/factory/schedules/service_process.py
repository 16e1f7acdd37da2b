"""What `factory serve` runs beside its requests, in a process of its own, to be killed: HOME START ORIGIN SPEED.

Its clock stood at START when the real one stood at ORIGIN, and goes SPEED times as fast, until the file `stop` in the
workspace names the time at which it stands still.
"""

import sys
import time
from pathlib import Path

from factory.jobs.limits import Limits
from factory.jobs.runner import Runner
from factory.schedules.scheduler import Scheduler
from tests.factory.jobs.watch import MODULE

STOP = "stop"
LIMITS = Limits(max_running=4, max_lost=10_000, cancel_grace_s=1.0)


def main(home, start, origin, speed):
    def clock():
        return now(home, start, origin, speed)

    with Runner(home, LIMITS, watch=MODULE) as runner, Scheduler(home, clock) as scheduler:
        while True:
            scheduler.step()
            runner.step()
            time.sleep(0.02)


def now(home, start, origin, speed):
    going = start + (time.time() - origin) * speed
    stop = home / STOP
    return min(going, float(stop.read_text())) if stop.exists() else going


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:]))
