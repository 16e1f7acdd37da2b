"""What runs beside the requests: the runner of jobs and the clock of schedules, a step every second."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, MutableMapping

from schemas.errors import DataError

STEP_S = 0.7
PATIENCE_S = 5.0  # after a step that failed

log = logging.getLogger("factory.service")


async def run_loop(
    name: str, step: Callable[[], object], problems: MutableMapping[str, str], stopping: threading.Event
) -> None:
    """Steps until told to stop. What goes wrong on a disk is said and tried again; a bug is said, and ends the loop."""
    while not stopping.is_set():
        wait = STEP_S
        try:
            await asyncio.to_thread(step)
        except (DataError, OSError, sqlite3.Error) as err:
            problems[name] = f"The {name} cannot go on ({err}); it tries again."
            log.error("%s: %s", name, err)
            wait = PATIENCE_S
        else:
            problems.pop(name, None)
        await _sleep(wait, stopping)


def note_end(name: str, task: asyncio.Task[None], problems: MutableMapping[str, str]) -> None:
    """A loop that ended by itself has met a bug: the pages say so until the service is started anew."""
    if not task.cancelled() and (err := task.exception()) is not None:
        problems[name] = f"The {name} has stopped: {type(err).__name__}: {err}. Start the service anew."
        log.error("%s has stopped", name, exc_info=err)


async def _sleep(seconds: float, stopping: threading.Event) -> None:
    for _ in range(max(1, round(seconds / 0.1))):
        if stopping.is_set():
            return
        await asyncio.sleep(0.1)
