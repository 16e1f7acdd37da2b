"""chain_sum: `4 - 1 - 7 =` as a running total, `4 - 1 -> 3 - 7 -> -4`."""

from __future__ import annotations

import re

from factory.sampling.solver.worked import Pen, Worked, faithful

_PROBLEM = re.compile(r"arithmetic problem: (-?\d+(?: [-+] -?\d+)*) =\Z")


def work(question: str, pen: Pen = faithful) -> Worked | None:
    """None: not a question of this family."""
    found = _PROBLEM.search(question)
    if found is None:
        return None
    first, *rest = found[1].split(" ")
    total, said = int(first), first
    for sign, term in zip(rest[::2], rest[1::2], strict=True):
        total = int(pen(str(total + int(term) if sign == "+" else total - int(term))))
        said += f" {sign} {term} -> {total}"
    return Worked(said, str(total))
