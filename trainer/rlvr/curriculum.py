"""The curriculum: a prompt is drawn as often as its group is likely to have a gradient, by what the ledger knows of it.

A group teaches where some of its answers are correct and some are not. With a pass rate p and n answers the chance of
that is 1 - p^n - (1-p)^n; here its mean over Beta(1/2 + correct, 1/2 + wrong), which is what is known of p after those
answers, beginning with Jeffreys' prior. It never is 0: a prompt that was always solved, or never, is looked at again.
"""

from __future__ import annotations

from math import prod

PRIOR = 0.5  # Jeffreys'


def draw_chance(correct: float, graded: float, n: int) -> float:
    """Of `n` more answers, after `graded` ones; both counts may be fractions. Of an unknown prompt it is 1: try it.

    E[p^n] under Beta(a, b) is the product of (a + i) / (a + b + i) over i < n.
    """
    if not graded:
        return 1.0
    right, wrong = PRIOR + correct, PRIOR + graded - correct
    return 1 - _all_alike(right, wrong, n) - _all_alike(wrong, right, n)


def _all_alike(a: float, b: float, n: int) -> float:
    return prod((a + i) / (a + b + i) for i in range(n))
