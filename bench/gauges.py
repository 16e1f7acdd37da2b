"""Clock and memory of a process that trains. Imports torch alone: it runs beside any trainer."""

from __future__ import annotations

import time
from pathlib import Path

import torch


def now() -> float:
    """Seconds, once the GPU is done with all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_mib() -> float:
    """The most that was allocated on the GPU so far; on the CPU the process's largest size."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
