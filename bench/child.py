"""A process that is measured: what it printed, and how long it ran."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import msgspec


class Ended(msgspec.Struct, frozen=True):
    said: str
    seconds: float


def run(command: Sequence[Any], threads: int) -> Ended:
    """Wait for it. Raises SystemExit with the end of what it wrote to stderr when it fails."""
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.monotonic()
        code = subprocess.call([str(word) for word in command], env=env, stdout=out, stderr=err)
        seconds = time.monotonic() - began
        out.seek(0)
        err.seek(0)
        if code:
            raise SystemExit(f"{list(command)[:4]}: exit {code}\n{err.read()[-3000:]}")
        return Ended(out.read(), seconds)
