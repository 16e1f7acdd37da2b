"""Which answer is chosen and which is rejected, and the record of it. Pure, and the same on every run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from pipelines.chance import same_text, turn
from pipelines.scores import ROUNDING, Scored
from schemas.canonical import short_hash
from schemas.metadata import with_metadata
from schemas.records import Completion, Judgement, PreferencePair, Prompt


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How the rejected answer is found: at random among the worse ones (Tülu 3), or the worst (Olmo 3)."""

    rejected: Literal["random", "worst"] = "random"
    min_margin: float = 0.0
    pairs: int = 1
    seed: int = 0


class Unpaired(msgspec.Struct, frozen=True):
    """Why a group makes no pair."""

    kind: str
    reason: str


Paired = list[tuple[Scored, Scored]]


def by_score(scored: Sequence[Scored], rule: Rule) -> Paired | Unpaired:
    """The best answer against worse ones. Among several best, and among the worse, the seed draws.

    Every pair has a margin above 0, texts that differ and, where a judge compared answers with each other, a chosen
    one that beat the rejected one in both orders.
    """
    if len(scored) < 2:
        return Unpaired("too_few", f"{len(scored)} answers have a score: nothing to compare")
    top = max(one.score for one in scored)
    best = [one for one in scored if one.score > top - ROUNDING]
    worse = [one for one in scored if one.score <= top - ROUNDING]
    far = [one for one in worse if top - one.score >= rule.min_margin - ROUNDING]
    if not worse:
        return Unpaired("all_tied", f"all {len(scored)} answers score {top:.3g}")
    if not far:
        margin = top - min(one.score for one in worse)
        return Unpaired("small_margin", f"the largest margin is {margin:.3g}, min_margin {rule.min_margin:.3g}")
    return _against(best, far, rule)


def _against(best: Sequence[Scored], far: Sequence[Scored], rule: Rule) -> Paired | Unpaired:
    other = [(top, one) for top in best for one in far if not same_text(top.completion, one.completion)]
    if not other:
        return Unpaired("identical", "the worse answers have the text of the best one")
    pairs = [(top, one) for top, one in other if _beats(top, one)]
    if not pairs:
        return Unpaired("no_win", "the best answer beats no worse one in both orders")
    chosen = min((top for top, _ in pairs), key=lambda one: turn(rule.seed, "chosen", one.completion))
    return [(chosen, one) for one in _rejected([one for top, one in pairs if top is chosen], rule)]


def _rejected(beaten: Sequence[Scored], rule: Rule) -> list[Scored]:
    def order(one: Scored) -> tuple[float, str]:
        return (round(one.score, 9) if rule.rejected == "worst" else 0.0), turn(rule.seed, "rejected", one.completion)

    taken: list[Scored] = []
    for one in sorted(beaten, key=order):
        if not any(same_text(one.completion, other.completion) for other in taken):
            taken.append(one)
    return taken[: rule.pairs]


def _beats(chosen: Scored, rejected: Scored) -> bool:
    """By every judge that compared them. One that rates answers by themselves says no more than the scores do."""
    compared = [wins for judgement in chosen.judgements if (wins := _wins_of(judgement)) is not None]
    return all(rejected.completion.completion_id in wins for wins in compared)


def _wins_of(judgement: Judgement) -> set[str] | None:
    """The answers that this one beat in both orders. None where the judge did not compare."""
    metadata = msgspec.json.decode(judgement.metadata) if judgement.metadata is not None else {}
    if not isinstance(metadata, dict) or "against" not in metadata:
        return None
    return {row["completion_id"] for row in metadata["against"] if row["result"] == "win"}


def by_verdict(graded: Sequence[Scored], rule: Rule) -> Paired | Unpaired:
    """Correct answers against wrong ones, each in one pair at most."""
    right = [one for one in graded if one.correct]
    wrong = [one for one in graded if not one.correct]
    if not graded:
        return Unpaired("no_answers", "no answer of the group could be graded")
    if not right:
        return Unpaired("no_correct", f"all {len(wrong)} graded answers are wrong")
    if not wrong:
        return Unpaired("no_wrong", f"all {len(right)} graded answers are correct")
    right.sort(key=lambda one: turn(rule.seed, "chosen", one.completion))
    wrong.sort(key=lambda one: turn(rule.seed, "rejected", one.completion))
    pairs = [(a, b) for a, b in zip(right, wrong, strict=False) if a.score > b.score + ROUNDING]
    return pairs[: rule.pairs] or Unpaired("all_tied", "what counts as wrong has the score of what counts as correct")


def scored_pair(prompt: Prompt, chosen: Scored, rejected: Scored, among: Sequence[Scored]) -> PreferencePair:
    """The record. Its metadata holds the margin, the scores of all that were in the running, and the reasons."""
    if not chosen.score > rejected.score:
        raise ValueError(f"prompt {prompt.prompt_id}: {chosen.score} is not above {rejected.score}")
    ranked = sorted(among, key=lambda one: (-one.score, turn(0, "rank", one.completion)))
    kept = {
        "margin": chosen.score - rejected.score,
        "candidates": [one.figures() for one in ranked],
        "reasons": {"chosen": chosen.reasons(), "rejected": rejected.reasons()},
    }
    return to_pair(prompt, (chosen.completion, rejected.completion), (chosen.score, rejected.score), chosen.judge, kept)


def to_pair(
    prompt: Prompt,
    sides: tuple[Completion, Completion],
    scores: tuple[float | None, float | None],
    judge: str,
    kept: dict[str, Any],
) -> PreferencePair:
    """`sides` and `scores`: the chosen, then the rejected one. `kept` goes into the metadata, under "preference"."""
    a, b = sides
    return PreferencePair(
        pair_id=short_hash([a.completion_id, b.completion_id]),
        prompt_id=prompt.prompt_id,
        prompt=a.prompt,
        chosen=a.completion,
        rejected=b.completion,
        score_chosen=scores[0],
        score_rejected=scores[1],
        judge=judge,
        completion_id_chosen=a.completion_id,
        completion_id_rejected=b.completion_id,
        model_chosen=a.model,
        revision_chosen=a.revision,
        model_rejected=b.model,
        revision_rejected=b.revision,
        n_prompt_tokens=a.n_prompt_tokens,
        n_chosen_tokens=a.n_completion_tokens,
        n_rejected_tokens=b.n_completion_tokens,
        ground_truth=prompt.ground_truth,
        verifier=prompt.verifier,
        source=prompt.source,
        licence=prompt.licence,
        metadata=with_metadata(prompt, {"preference": kept}),
    )
