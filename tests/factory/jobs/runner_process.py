"""A runner in a process of its own, to be killed: HOME MAX_RUNNING."""

import sys
import time
from pathlib import Path

from factory.jobs.limits import Limits
from factory.jobs.runner import Runner
from tests.factory.jobs.watch import MODULE


def main(home: str, max_running: str) -> None:
    limits = Limits(max_running=int(max_running), max_lost=10_000, cancel_grace_s=1.0)
    with Runner(Path(home), limits, watch=MODULE) as runner:
        while True:
            runner.step()
            time.sleep(0.02)


if __name__ == "__main__":
    main(*sys.argv[1:])
