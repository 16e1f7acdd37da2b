"""A runner in the foreground, until it is told to stop or there is nothing left to do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from factory.jobs.job import ACTIVE, Job
from factory.jobs.runner import Runner

STEP_S = 0.5


def run(runner: Runner, is_stopped: Callable[[], bool], *, once: bool) -> list[Job]:
    """Step until stopped; with `once` until nothing runs and nothing more may start. Gives the jobs that failed."""
    failed: list[Job] = []
    while not is_stopped():
        step = runner.step()
        for job in step.started:
            _say(f"{job.id} {job.title}: attempt {job.attempts}")
        for job in step.ended:
            _say(f"{job.id} {job.title}: {job.state}" + (f", {job.error}" if job.error else ""))
        failed += [job for job in step.ended if job.state == "failed"]
        if once and not step.started and not runner.store.list(ACTIVE, limit=1):
            break
        time.sleep(STEP_S)
    return failed


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
