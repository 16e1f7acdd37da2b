"""Starts queued jobs within limits. Any number of runners may be at one workspace, and any of them be killed."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import TracebackType

import msgspec

from factory.jobs.claims import claim
from factory.jobs.folder import LOG, job_folder
from factory.jobs.job import QUEUED, Job
from factory.jobs.limits import Limits, Spending, has_room
from factory.jobs.owners import Owner
from factory.jobs.settle import Attempt, settle
from factory.jobs.spending import spending_of_today
from factory.jobs.store import JobStore
from schemas.local import make_folders

WATCH = "factory.jobs.watch"
_DEFAULT_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)


class Step(msgspec.Struct, frozen=True):
    """What one step did: jobs whose attempt was found to have ended, and jobs that were started."""

    ended: list[Job]
    started: list[Job]


class Runner:
    """One thread at a time may call `step`. Closing it, or killing it, leaves the jobs running.

    `watch`: the module that is run beside each command.
    """

    def __init__(self, home: Path, limits: Limits | None = None, *, watch: str = WATCH) -> None:
        self.limits = limits or Limits()
        self._watch = watch
        self.store = JobStore(home)
        self._owner = Owner(self.store.home)
        self._children: dict[int, Attempt] = {}  # of this process, by process id

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._owner.close()
        self.store.close()

    def step(self) -> Step:
        """Note what has ended, and start what there is room for. Call it every second or so."""
        ended = settle(self.store, self.limits.max_lost, self._reap())
        started = []
        while (job := self._claim()) is not None:
            self._children[self._start(job)] = (job.id, job.attempts)
            started.append(job)
        return Step(ended, started)

    def _reap(self) -> list[Attempt]:
        """The attempts whose process has ended."""
        ended = [pid for pid in self._children if os.waitpid(pid, os.WNOHANG) != (0, 0)]
        return [self._children.pop(pid) for pid in ended]

    def _claim(self) -> Job | None:
        if not self.store.list(QUEUED, limit=1):
            return None
        is_limited = self.limits.max_cost_usd_per_day is not None
        spending = spending_of_today(self.store, time.time()) if is_limited else Spending()
        with self.store.transaction() as connection:
            return claim(connection, self._owner.name, lambda job, active: has_room(job, active, self.limits, spending))

    def _start(self, job: Job) -> int:
        words = [str(self.store.home), job.id, str(job.attempts), str(self.limits.cancel_grace_s)]
        folder = job_folder(self.store.home, job.id)
        make_folders(folder)
        return spawn([sys.executable, "-P", "-m", self._watch, *words], folder / LOG)


def spawn(words: list[str], log: Path) -> int:
    """The id of a process in a session of its own, so that it outlives us."""
    opened = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    return os.posix_spawn(
        words[0],
        words,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), opened, (os.POSIX_SPAWN_DUP2, 1, 2)],
        setsid=True,
        setsigmask=[],
        setsigdef=_DEFAULT_SIGNALS,
    )
