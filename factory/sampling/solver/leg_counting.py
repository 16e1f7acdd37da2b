"""leg_counting: `3 ants, 2 cats` as `3 ants x 6 = 18 -> 18, 2 cats x 4 = 8 -> 26`."""

from __future__ import annotations

import re

from factory.sampling.solver.worked import Pen, Worked, faithful

_PROBLEM = re.compile(r"how many legs are there in total if you have (\d+ [a-z ]+(?:, \d+ [a-z ]+)*)\?\s*\Z")

# As the tasks count them: a starfish's arms are legs there.
LEGS = {
    0: ("snake", "sea slug", "jellyfish", "flatworm", "leech"),
    2: ("chicken", "bird", "human", "duck"),
    4: ("dog", "cat", "cow", "horse", "lion", "elephant", "giraffe", "tiger", "deer", "sheep"),
    5: ("starfish",),
    6: (
        *("insect", "ant", "butterfly", "beetle", "bee", "wasp", "grasshopper"),
        *("cricket", "cockroach", "praying mantis", "firefly"),
    ),
    8: ("spider", "scorpion"),
    10: ("crab", "lobster", "shrimp"),
    14: ("woodlouse",),
}
LEGS_OF = {animal: legs for legs, animals in LEGS.items() for animal in animals}


def work(question: str, pen: Pen = faithful) -> Worked | None:
    """None: not a question of this family, or an animal whose legs are not known here."""
    found = _PROBLEM.search(question)
    if found is None:
        return None
    total, lines = 0, []
    for part in found[1].split(", "):
        count, _, name = part.partition(" ")
        legs = _legs(name)
        if legs is None:
            return None
        legs = int(pen(str(legs)))
        product = int(pen(str(int(count) * legs)))
        total = int(pen(str(total + product)))
        lines.append(f"{part} x {legs} = {product} -> {total}")
    return Worked(", ".join(lines), str(total))


def _legs(name: str) -> int | None:
    return LEGS_OF.get(name, LEGS_OF.get(name.removesuffix("s")))
