"""spell_backward: `sun` as its letters with their places, from the last, `3n2u1s`, then `nus`."""

from __future__ import annotations

import re

from factory.sampling.solver.worked import Pen, Worked, faithful

_PROBLEM = re.compile(r"\ASpell this word backward .*: (\w+)\Z")


def work(question: str, pen: Pen = faithful) -> Worked | None:
    """None: not a question of this family."""
    found = _PROBLEM.search(question)
    if found is None:
        return None
    letters = [pen(letter) for letter in reversed(found[1])]
    places = range(len(letters), 0, -1)
    said = "".join(f"{place}{letter}" for place, letter in zip(places, letters, strict=True))
    return Worked(said, "".join(letters))
