"""The most memory that a process ever held."""

from __future__ import annotations

import resource
import sys

import torch

GIB = 2**30
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


def peak_memory(device: torch.device) -> dict[str, float]:
    """GiB: `host_gib` of the machine's memory, resident; `gpu_gib` of the GPU's, where there is one."""
    found = {"host_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT / GIB}
    if device.type == "cuda":
        found["gpu_gib"] = torch.cuda.max_memory_allocated(device) / GIB
    return found
