"""Work that nobody waits for, one piece at a time."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from queue import SimpleQueue

Work = Callable[[], None]


class Background:
    """A thread that ends with its process: what it was at is begun anew by whoever wants it next."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Work] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, work: Work) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="looking", daemon=True)
                self._thread.start()
        self._queue.put(work)

    def wait(self) -> None:
        """Until all that was submitted is done."""
        done = threading.Event()
        self.submit(done.set)
        done.wait()

    def _run(self) -> None:
        while True:
            work = self._queue.get()
            try:
                work()
            except Exception:  # noqa: BLE001 - one piece of work must not end the thread; it is told on stderr
                traceback.print_exc(file=sys.stderr)
