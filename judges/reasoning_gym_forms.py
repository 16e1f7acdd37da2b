"""What an answer must look like before a reasoning-gym scorer sees it, for the families whose scorer needs that.

Found by feeding 105 scorers other tasks' answers and garbage (package 0.1.25): three raise on text that they cannot
read, one never ends on `1e999999999`, and five give full marks to wrong answers. What fails its check here is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import msgspec

_FACTORS = re.compile(r"[0-9]{1,18}(?:\s*×\s*[0-9]{1,18})*")  # noqa: RUF001
_PROBABILITY = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18}|/[0-9]{1,18})?")
_COMPLEX = re.compile(r"[0-9ijIJ+\-. ()]*")
_INTEGER = re.compile(r"\b[0-9]+\b")
_PLACE = re.compile(r"[0-9].*?[^0-9.]+[0-9]")
_TOLERANCE = Fraction(1, 10_000)  # the scorer's own


def _is_plan(answer: str, entry: dict[str, Any]) -> bool:
    """Moves as a JSON list of objects, each from a square with two coordinates to a move."""
    try:
        moves = msgspec.json.decode(answer, type=list[dict[str, str]])
    except (msgspec.MsgspecError, RecursionError):
        return False
    return all(_PLACE.search(place) for move in moves for place in move)


def _is_probability(answer: str, entry: dict[str, Any]) -> bool:
    """Near the probability. The scorer alone gives full marks to any prefix of it, as in `0`."""
    if not _PROBABILITY.fullmatch(answer) or not answer.rpartition("/")[2].strip("0."):
        return False
    return abs(Fraction(answer) - Fraction(entry["answer"])) <= _TOLERANCE


def _is_complex(answer: str, entry: dict[str, Any]) -> bool:
    """Digits, signs and i. The scorer alone gives full marks to `nan`."""
    return _COMPLEX.fullmatch(answer) is not None


def _is_grid(answer: str, entry: dict[str, Any]) -> bool:
    try:
        msgspec.json.decode(answer, type=list[list[Any]])
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _is_same_word(answer: str, entry: dict[str, Any]) -> bool:
    """The scorer alone compares `bool("False")` with `bool("True")`, and finds them equal."""
    return answer.casefold() == str(entry["answer"]).casefold()


def _is_factors(answer: str, entry: dict[str, Any]) -> bool:
    return _FACTORS.fullmatch(answer) is not None


def _uses_the_numbers(answer: str, entry: dict[str, Any]) -> bool:
    """The scorer alone takes any four numbers in range."""
    return sorted(map(int, _INTEGER.findall(answer))) == sorted(entry["metadata"]["numbers"])


def _is_no_longer(answer: str, entry: dict[str, Any]) -> bool:
    """The scorer alone can give more than full marks to the answer with letters appended."""
    return len(answer) <= len(entry["answer"])


CHECKS: dict[str, Callable[[str, dict[str, Any]], bool]] = {
    "boxnet": _is_plan,
    "coin_flip": _is_probability,
    "complex_arithmetic": _is_complex,
    "game_of_life": _is_grid,
    "game_of_life_halting": _is_same_word,
    "prime_factorization": _is_factors,
    "puzzle24": _uses_the_numbers,
    "spell_backward": _is_no_longer,
}


def malformed(family: str, answer: str, entry: dict[str, Any]) -> str | None:
    """Why `answer` is wrong before any scoring, or None."""
    check = CHECKS.get(family)
    if check is None or check(answer, entry):
        return None
    return f"{family}: {answer[:80]!r} is not an answer of the form or value asked for"
