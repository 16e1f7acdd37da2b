"""What every scripted solution gives, and how a step's result is written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

# Writes the result of one step. A careful writer writes what it found; other writers may slip, and go on from there.
Pen = Callable[[str], str]


class Worked(NamedTuple):
    reasoning: str
    answer: str


def faithful(result: str) -> str:
    return result
