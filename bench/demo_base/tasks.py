"""The demo's task families and levels, and the seeds of its prompts. The demo's recipes hold the same figures."""

from __future__ import annotations

from functools import cache
from typing import Any

LEVELS: dict[str, tuple[dict[str, Any], ...]] = {
    "chain_sum": tuple(
        {"min_terms": terms, "max_terms": terms, "min_digits": 1, "max_digits": 1} for terms in (3, 4, 5)
    ),
    "leg_counting": tuple(
        {"min_animals": animals, "max_animals": animals, "min_instances": 1, "max_instances": 5}
        for animals in (2, 3, 4)
    ),
    "spell_backward": tuple({"min_word_len": length, "max_word_len": length} for length in (4, 6, 8)),
    "spiral_matrix": tuple({"min_n": least, "max_n": most} for least, most in ((2, 2), (2, 3), (3, 3))),
}

# reasoning-gym makes entry i from seed + i: the ranges of two seeds here never meet.
BASE_SEED = 1_000_000_000
DEVELOPMENT_SEED, HELD_OUT_SEED = 2_000_000_000, 2_100_000_000
LEVEL_STRIDE = 50_000_000  # between two cells of the corpus; 12 of them stay below the next seed
EACH = 84  # prompts of a family and level in each evaluation split: 1,008 in all


def entries(family: str, level: int, seed: int, size: int, start: int = 0, **other: int) -> list[dict[str, Any]]:
    """Entries `start` to `start + size` of a family at a level, 0 to 2, with `other` settings where they are given."""
    made = _generator(family, level, seed, tuple(other.items()))
    return [made[index] for index in range(start, start + size)]


@cache
def _generator(family: str, level: int, seed: int, other: tuple[tuple[str, int], ...]) -> Any:
    import reasoning_gym

    config = {**LEVELS[family][level], **dict(other)}
    return reasoning_gym.create_dataset(family, seed=seed, size=LEVEL_STRIDE, **config)


def cells() -> list[tuple[str, int]]:
    return [(family, level) for family in LEVELS for level in range(len(LEVELS[family]))]


def evaluation_questions() -> set[str]:
    """The texts that no training document may hold."""
    return {
        entry["question"]
        for seed in (DEVELOPMENT_SEED, HELD_OUT_SEED)
        for family, level in cells()
        for entry in entries(family, level, seed, EACH)
    }
