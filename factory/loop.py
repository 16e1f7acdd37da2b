"""The event loop, made for a process whose own processor time bounds how fast an endpoint can be driven."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

# Rows in flight are many small objects and hardly any cycles: collecting less often saves a tenth of the time.
GC_THRESHOLDS = (50_000, 20, 20)


def run_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end, on uvloop where there is one."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        import uvloop
    except ImportError:  # not built for this platform
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
