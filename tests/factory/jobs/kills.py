"""Runners, watching processes and commands, killed at seeded moments while jobs go through them.

What must hold at the end: every job is done, each of its rows was made once, in order, and no two processes were ever
at work on one job (the second would have failed it).
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from factory.jobs.database import database_path
from factory.jobs.folder import job_folder
from factory.jobs.job import ACTIVE
from factory.jobs.store import JobStore
from tests.factory.jobs.watch import MODULE

ROOT = Path(__file__).parents[3]
VICTIMS = ("runner", "watch", "command", "watch and command", "runner and watch")
RUNNERS, MAX_RUNNING, UNFINISHED = 2, 3, 5
ROWS, ROW_S = 25, 0.03
PATIENCE_S = 120


def run(home: Path, points: int, seed: int) -> dict[str, Any]:
    """Kill at `points` moments, then wait for the end. Gives figures; raises AssertionError where a promise broke."""
    killing = Killing(home, seed)
    began = time.monotonic()
    try:
        while killing.total < points:
            killing.keep_busy()
            killing.strike()
        killing.finish()
    finally:
        killing.end()
    return killing.figures() | {"seconds": round(time.monotonic() - began, 1)}


class Killing:
    def __init__(self, home: Path, seed: int) -> None:
        self.store = JobStore(home)
        self.killed: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._runners = [self._runner() for _ in range(RUNNERS)]

    @property
    def total(self) -> int:
        return self.killed.total()

    def _runner(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.factory.jobs.runner_process", str(self.store.home), str(MAX_RUNNING)]
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def keep_busy(self) -> None:
        counts = self.store.counts()
        for _ in range(UNFINISHED - sum(counts.values()) + counts.get("done", 0)):
            self.store.submit(["factory", "work", "--rows", str(ROWS), "--seconds", str(ROW_S)])

    def strike(self) -> None:
        """Wait a while and kill somebody. Nothing counts where nobody was there to be killed."""
        time.sleep(self._random.uniform(0, 0.4))
        victim = self._random.choice(VICTIMS)
        watch = self._random.choice(watches(self.store.home) or [0])
        command = next(iter(children(watch)), 0) if watch else 0
        chosen = {"watch": [watch], "command": [command], "watch and command": [watch, command]}
        chosen |= {"runner": [self._some_runner()], "runner and watch": [self._some_runner(), watch]}
        if all(chosen[victim]):
            for pid in chosen[victim]:
                kill(pid)
            self.killed[victim] += 1
        self._replace_the_dead()

    def _some_runner(self) -> int:
        return self._random.choice(self._runners).pid

    def _replace_the_dead(self) -> None:
        for place, runner in enumerate(self._runners):
            if runner.poll() is not None:
                self._runners[place] = self._runner()

    def finish(self) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while self.store.list(("queued", *ACTIVE), limit=1) or watches(self.store.home):
            assert time.monotonic() < give_up, self.store.list(("queued", *ACTIVE))
            time.sleep(0.1)

    def end(self) -> None:
        for runner in self._runners:
            runner.kill()
            runner.wait()

    def figures(self) -> dict[str, Any]:
        jobs = self.store.list(limit=1000)
        self.store.close()
        for job in jobs:
            assert job.state == "done", job
            rows = (job_folder(self.store.home, job.id) / "journal").read_text().split()
            assert rows == [str(row) for row in range(ROWS)], job
        connection = sqlite3.connect(database_path(self.store.home))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        attempts = Counter(job.attempts for job in jobs)
        return {
            "killed": dict(sorted(self.killed.items())),
            "points": self.total,
            "jobs": len(jobs),
            "done": len(jobs),
            "attempts": sum(job.attempts for job in jobs),
            "jobs_by_attempts": dict(sorted(attempts.items())),
        }


def watches(home: Path) -> list[int]:
    """Processes that watch over a command of this workspace, from their first moment on."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        words = _read(place / "cmdline").split(b"\0")
        if MODULE.encode() in words and str(home).encode() in words:
            found.append(int(place.name))
    return sorted(found)


def children(pid: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        fields = _read(place / "stat").rpartition(b")")[2].split()
        if fields and int(fields[1]) == pid:
            found.append(int(place.name))
    return found


def kill(pid: int) -> None:
    """It may have ended in the meantime."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
