"""The process that watches over one attempt of a job: starts the command, heeds pause and cancel, notes how it ended.

    python -m factory.jobs.watch HOME ID ATTEMPT GRACE_S

It leads a session of its own and so outlives the service that started it. It reads in the database what is wished of
the job, so a wish reaches it whether or not a service runs, and it signals nobody but its own child.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO

from factory.jobs.claims import take
from factory.jobs.command import argv
from factory.jobs.folder import LOCK, PROGRESS, Exit, job_folder, write_exit
from factory.jobs.job import Job, State
from factory.jobs.settle import TERMINATED
from factory.jobs.store import JobStore
from factory.progress_log import VARIABLE

LOOK_S = 0.5
PATIENCE_S = 20.0  # for what an earlier attempt may have left running
CANNOT_START = 127  # the shell's code for a command that is not there
_PR_SET_PDEATHSIG = 1

Child = subprocess.Popen[bytes]


def main(words: list[str]) -> int:
    home, id, attempt, grace_s = Path(words[0]), words[1], int(words[2]), float(words[3])
    heard: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: heard.append(number))
    folder = job_folder(home, id)
    with _alone(folder / LOCK) as lock, JobStore(home) as store:
        if lock is None:
            return _say(f"attempt {attempt}: something of an earlier attempt still runs")
        with store.transaction() as connection:
            job = take(connection, id, attempt, os.getpid())
        if job is None:
            return 0  # it was given to another
        _say(f"--- attempt {attempt}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC ---")
        code = Watch(store, job, heard, grace_s).run(lock)
        write_exit(folder, Exit(attempt, code, time.time()))
    return 0


@contextmanager
def _alone(path: Path) -> Iterator[IO[bytes] | None]:
    """The job's lock, held; None when it was not to be had."""
    until = time.monotonic() + PATIENCE_S
    with path.open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    yield None
                    return
                time.sleep(0.05)
            else:
                yield file
                return


class Watch:
    """One attempt. `heard`: the signals that came, which are handed on."""

    def __init__(self, store: JobStore, job: Job, heard: list[int], grace_s: float) -> None:
        self._store, self._job, self._heard, self._grace_s = store, job, heard, grace_s
        self._wish: State = job.state
        self._kill_at: float | None = None

    def run(self, lock: IO[bytes]) -> int:
        """The command's exit code; negative: ended by that signal."""
        if self._wish != "running" or self._heard:
            return TERMINATED  # it need not begin
        try:
            child = start(self._store.home, self._job, lock)
        except OSError as err:
            _say(f"error: cannot be started: {err}")
            return CANNOT_START
        while True:
            try:
                return child.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                self._look(child)

    def _look(self, child: Child) -> None:
        while self._heard:
            child.send_signal(self._heard.pop(0))
        wish = self._wished()
        if wish != self._wish:
            self._wish = wish
            if wish in ("pausing", "cancelling"):
                child.send_signal(signal.SIGTERM)
            if wish == "cancelling":
                self._kill_at = time.monotonic() + self._grace_s
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            os.killpg(child.pid, signal.SIGKILL)  # not waited for yet, so the number is still its own

    def _wished(self) -> State:
        """What holds until the next look, where the database cannot be read: no reason to end hours of work."""
        try:
            return self._store.get(self._job.id).state
        except sqlite3.Error as err:
            _say(f"the service's database cannot be read ({err}); looking again")
            return self._wish


def start(home: Path, job: Job, lock: IO[bytes]) -> Child:
    """The command, leading a process group. It holds the job's lock, too, and Linux ends it when we are killed."""
    folder = job_folder(home, job.id)
    return subprocess.Popen(
        argv(job.command, job.max_cost_usd),
        cwd=job.folder,
        env={**os.environ, "FACTORY_HOME": str(home), VARIABLE: str(folder / PROGRESS)},
        stdin=subprocess.DEVNULL,
        process_group=0,
        pass_fds=(lock.fileno(),),
        preexec_fn=partial(_end_with, os.getpid()) if sys.platform == "linux" else None,  # no thread runs here
    )


def _end_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before the line above
        os._exit(1)


def _say(message: str) -> int:
    print(message, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
