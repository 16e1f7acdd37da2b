"""spiral_matrix: the sides in the order in which the spiral meets them, `9 4 -> 1 -> 1`, then all in one line."""

from __future__ import annotations

import re

from factory.sampling.solver.worked import Pen, Worked, faithful

_PROBLEM = re.compile(r"elements in spiral order\?\n((?:-?\d+(?: -?\d+)*\n?)+)\s*\Z")


def work(question: str, pen: Pen = faithful) -> Worked | None:
    """None: not a question of this family."""
    found = _PROBLEM.search(question)
    if found is None:
        return None
    rows = [row.split(" ") for row in found[1].strip().split("\n")]
    if len({len(row) for row in rows}) != 1:
        return None
    sides = [[pen(number) for number in side] for side in _sides(rows)]
    return Worked(" -> ".join(" ".join(side) for side in sides), " ".join(" ".join(side) for side in sides))


def _sides(rows: list[list[str]]) -> list[list[str]]:
    """Take the top row off and turn what is left, until nothing is left."""
    sides = []
    while rows:
        sides.append(rows[0])
        rows = [list(column) for column in zip(*rows[1:], strict=True)][::-1]
    return sides
