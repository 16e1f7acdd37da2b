"""The verifiers, by the name that a prompt's `verifier` column holds. A new one is a file and a line here."""

from __future__ import annotations

from difflib import get_close_matches

from judges.base import Verifier
from judges.gsm8k import Gsm8k
from judges.reasoning_gym import ReasoningGym

VERIFIERS: dict[str, type[Verifier]] = {
    "gsm8k": Gsm8k,
    "reasoning_gym": ReasoningGym,
}


def make_verifier(name: str) -> Verifier:
    """Raises ValueError with the nearest name and all names that there are."""
    if name not in VERIFIERS:
        nearest = get_close_matches(name, VERIFIERS, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ";"
        raise ValueError(f"unknown verifier {name!r}{hint} known: {', '.join(sorted(VERIFIERS))}")
    return VERIFIERS[name]()
