"""Lengths of time on the command line."""

from __future__ import annotations

import re

from schemas.errors import DataError

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def to_seconds(flag: str, text: str) -> float:
    """90s, 30m, 1h, 2d as seconds. Raises DataError, which names the flag."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])", text)
    if not match:
        raise DataError(f"{flag} {text}: write a number and a unit: 90s, 30m, 1h or 2d")
    return float(match[1]) * SECONDS[match[2]]
