"""Rewards made of judges' scores: a weighted sum, a gate in front, penalties. Pure functions over outcomes.

    [reward.gate]
    judge = "format"
    otherwise = -0.5

    [[reward.parts]]
    judge = "verifier"     # the prompt's own
    weight = 1.0

    [[reward.parts]]
    judge = "rubric"
    weight = 0.3

    [reward.penalties]
    no_end = 0.5

An outcome is a score, an abstention or an error, and neither of the latter is a zero:
- A part that abstains or errs leaves the reward without a value (null): such a completion is not trained on. Leaving
  the part out of the sum would be a zero in disguise, and dividing by the other weights would put completions of one
  group on different scales. `abstain_score` of a part counts a score for an abstention; nothing does for an error.
- A gate that abstains or errs leaves no value either. One whose score is below `min_score` decides: the reward is
  `otherwise`, nothing is added or subtracted, and the parts need not be judged.
- A part of weight 0 is logged and changes nothing, whatever it says.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

import msgspec

from judges.base import JudgeError, Verdict
from judges.penalties import Output, Penalties
from schemas.records import Judgement

ROW_VERIFIER = "verifier"  # the judge that each prompt's `verifier` column names

Score = Annotated[float, msgspec.Meta(ge=0, le=1)]
Found = Verdict | Judgement | JudgeError


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One judge's share in the sum. `abstain_score`: what its abstention counts as; None: as no reward at all.

    `threshold`: a score that reaches it counts as 1, any other as 0 (Olmo 3 pays for code from 0.99 on).
    """

    judge: str
    weight: float = 1.0
    abstain_score: Score | None = None
    threshold: Score | None = None


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A judge that must give `min_score` for anything else to count; the reward is `otherwise` where it does not."""

    judge: str
    min_score: Score = 1.0
    otherwise: float = 0.0


class RewardRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[reward]` of a recipe."""

    parts: list[Part]
    gate: Gate | None = None
    penalties: Penalties = Penalties()

    def __post_init__(self) -> None:
        names = [part.judge for part in self.parts]
        if not names or len(names) > len(set(names)):
            raise ValueError(f"parts must name each judge once, and at least one: {', '.join(names) or 'none'}")
        numbers = [part.weight for part in self.parts] + ([self.gate.otherwise] if self.gate else [])
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError("weights and otherwise must be finite")

    @property
    def judges(self) -> list[str]:
        """The judges that it needs, the gate's first, each once."""
        return list(dict.fromkeys([*([self.gate.judge] if self.gate else []), *(part.judge for part in self.parts)]))


class Reward(msgspec.Struct, frozen=True):
    """`value` is null when it cannot be told. `parts`: each judge's own score, and what each penalty took (0 or less).

    A part is null when its judge abstained, failed, or was not asked.
    """

    value: float | None
    parts: dict[str, float | None]
    reason: str


def read_recipe(table: Mapping[str, Any], judges: Collection[str]) -> RewardRecipe:
    """The table `[reward]`, as TOML gives it. Raises ValueError that names the key or the judge."""
    try:
        recipe = msgspec.convert(dict(table), RewardRecipe)
    except msgspec.ValidationError as err:
        raise ValueError(f"reward: {err}") from err
    for name in recipe.judges:
        if name not in judges and name != ROW_VERIFIER:
            nearest = get_close_matches(name, judges, n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ";"
            raise ValueError(f"reward: no judge {name!r}{hint} known: {', '.join(sorted({*judges, ROW_VERIFIER}))}")
    return recipe


def gated(recipe: RewardRecipe, found: Found) -> Reward | None:
    """The reward where the gate's outcome decides it, else None: the parts are to be judged."""
    if recipe.gate is None:
        return None
    name, score = recipe.gate.judge, _score(found)
    parts = {**dict.fromkeys(recipe.judges), name: score}
    if score is None:
        return Reward(None, parts, f"gate {name} {_why(found)}")
    if score < recipe.gate.min_score:
        return Reward(recipe.gate.otherwise, parts, f"gate {name} is closed: {score:g}, {found.reason}")
    return None


def reward(recipe: RewardRecipe, found: Mapping[str, Found], output: Output) -> Reward:
    """The reward of one completion. `found` needs the outcome of every judge, or of the gate alone where it decides.

    Raises KeyError for a judge without an outcome.
    """
    if recipe.gate is not None and (decided := gated(recipe, found[recipe.gate.judge])) is not None:
        return decided
    scores = {name: _score(found[name]) for name in recipe.judges}
    taken = recipe.penalties.of(output)
    logged = {**scores, **{f"penalty_{name}": -amount for name, amount in taken.items()}}
    counted = [(part, _counted(part, found[part.judge])) for part in recipe.parts if part.weight]
    if missing := [part.judge for part, score in counted if score is None]:
        return Reward(None, logged, "; ".join(f"{name} {_why(found[name])}" for name in missing))
    terms = [(part.judge, part.weight * score) for part, score in counted if score is not None]
    terms += [(f"penalty_{name}", -amount) for name, amount in taken.items() if amount]
    value = math.fsum(term for _, term in terms)
    return Reward(value, logged, " ".join(f"{name} {term:+.4g}" for name, term in terms))


def _score(found: Found) -> float | None:
    return None if isinstance(found, JudgeError) else found.score


def _counted(part: Part, found: Found) -> float | None:
    score = _score(found)
    if score is None:
        return None if isinstance(found, JudgeError) else part.abstain_score
    return score if part.threshold is None else float(score >= part.threshold)


def _why(found: Found) -> str:
    if isinstance(found, JudgeError):
        return f"failed ({found.kind}): {found.reason}"
    return f"abstained: {found.reason}"
