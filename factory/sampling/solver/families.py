"""The task families that the solver knows."""

from __future__ import annotations

from collections.abc import Callable

from factory.sampling.solver import chain_sum, leg_counting, spell_backward, spiral_matrix
from factory.sampling.solver.worked import Pen, Worked, faithful

FAMILIES: dict[str, Callable[[str, Pen], Worked | None]] = {
    "chain_sum": chain_sum.work,
    "leg_counting": leg_counting.work,
    "spell_backward": spell_backward.work,
    "spiral_matrix": spiral_matrix.work,
}


def solve(question: str, pen: Pen = faithful) -> Worked | None:
    """Steps and answer of a question of any known family, as reasoning-gym words it; None for any other."""
    for work in FAMILIES.values():
        if (worked := work(question, pen)) is not None:
            return worked
    return None
