"""Several processes on this machine: the same command again, once for each. Several machines: torchrun or DeepSpeed's
launcher, started there by hand or by Slurm.

Why not torchrun here, too: it wraps a one-line error into a page, loses the exit code, and costs an import of torch.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

FAILED = 1
INTERRUPTED = 130
GRACE_S = 15.0  # for the others to see by themselves that one has failed, or for all to heed Ctrl-C
LOOK_S = 0.05
_PR_SET_PDEATHSIG = 1

Child = subprocess.Popen[bytes]


def is_launched() -> bool:
    """Whether a launcher started this process as one of several. RANK alone may be what one that is alone has set."""
    return "RANK" in os.environ and "MASTER_ADDR" in os.environ


def processes_wanted(asked: int | None) -> int:
    """How many processes this command must start. One under a launcher, which has started them already."""
    if is_launched():
        return 1
    if asked is not None:
        return asked
    import torch

    return max(1, torch.cuda.device_count())


def launch(processes: int) -> int:
    """Run this command in so many processes. Gives the exit code; all are gone when it returns."""
    return run_together([sys.executable, "-m", "trainer.cli", *sys.argv[1:]], processes)


def run_together(command: Sequence[str], processes: int) -> int:
    """SIGTERM and Ctrl-C are handed on. If this process is killed itself, Linux kills the others."""
    threads = max(1, (os.cpu_count() or 1) // processes)
    shared = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared |= {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads))}
    ranks = [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    with _heard() as heard:
        return _wait([_start(command, variables) for variables in ranks], heard)


@contextmanager
def _heard() -> Iterator[list[int]]:
    """SIGTERM and SIGINT are noted, to be handed on once all processes are there: none is missed."""
    heard: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: heard.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(command: Sequence[str], variables: dict[str, str]) -> Child:
    """In a group of its own, so that Ctrl-C reaches it once: through us."""
    return subprocess.Popen(
        command,
        env={**os.environ, **variables},
        process_group=0,
        preexec_fn=partial(_end_with, os.getpid()) if sys.platform == "linux" else None,  # no thread runs yet
    )


def _end_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before the line above
        os._exit(FAILED)


def _wait(children: Sequence[Child], heard: list[int]) -> int:
    """Until all have ended. When one fails, the others get a while to end by themselves, then they are made to. So do
    all after Ctrl-C: a Python that is still starting can lose it (in a callback, whose errors are ignored)."""
    while None in (codes := _codes(children)) and not any(codes):
        if signal.SIGINT in _look_again(children, heard):
            break
    _wait_for(children, heard)
    codes = _codes(children)
    for number in (signal.SIGTERM, signal.SIGKILL):
        _tell(children, number)
        _wait_for(children, heard)
    return exit_code(codes)


def _wait_for(children: Sequence[Child], heard: list[int]) -> None:
    until = time.monotonic() + GRACE_S
    while None in _codes(children) and time.monotonic() < until:
        _look_again(children, heard)


def _codes(children: Sequence[Child]) -> list[int | None]:
    """Each one's exit code; None: it runs."""
    return [child.poll() for child in children]


def _look_again(children: Sequence[Child], heard: list[int]) -> list[int]:
    """After a while. Gives the signals that were handed on."""
    time.sleep(LOOK_S)
    told = []
    while heard:
        told.append(heard.pop(0))
        _tell(children, told[-1])
    return told


def _tell(children: Sequence[Child], number: int) -> None:
    for child in children:
        if child.poll() is None:
            child.send_signal(number)


def exit_code(codes: Sequence[int | None]) -> int:
    """That of the process which told why; those that failed because it did end with a plain 1. None: hung, all of them
    only where Ctrl-C was lost."""
    ended = [code for code in codes if code is not None]
    if not ended:
        return INTERRUPTED
    told = [code for code in ended if code > FAILED]
    if told:
        return told[0]
    for rank, code in enumerate(codes):
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            print(f"error: process {rank} was ended by {name}; the same command goes on", file=sys.stderr)
            return FAILED
    return max(ended)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port
