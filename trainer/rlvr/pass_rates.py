"""The pass-rate ledger as a version of a dataset: how often the policy solved each prompt, when it was last asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from judges.estimates import INTERVALS, IntervalName
from schemas.manifest import ModelRef, StageCount
from schemas.metadata import with_metadata
from schemas.records import PassRate, Prompt
from trainer.rlvr.ledger import Entry
from trainer.rlvr.rollout_rows import policy_at

FACTS = "pass_rate"  # where a row's metadata holds what has no column
INTERVAL: IntervalName = "wilson"  # as `factory build pass-rate` does unless told otherwise
CONFIDENCE = 0.95


class Measured(msgspec.Struct, frozen=True):
    """Of the prompts that may be drawn, in their order. `policy`: the checkpoint that the run began with."""

    rows: list[PassRate]
    counters: list[StageCount]
    policy: ModelRef


def measure(prompts: Iterable[Prompt], entries: Mapping[str, Entry], policy: ModelRef) -> Measured:
    """
    Raises:
        DataError: a prompt's metadata is no JSON object.
    """
    rows, without = [], Counter[str]()
    for prompt in prompts:
        entry = entries.get(prompt.prompt_id)
        if entry is None or not entry.latest_graded:
            without["never drawn" if entry is None else "no verdict"] += 1
        else:
            rows.append(_row(prompt, entry, policy))
    books = StageCount(
        stage="measure", rows_in=len(rows) + without.total(), rows_out=len(rows), dropped=dict(without), failed={}
    )
    return Measured(rows, [books], policy)


def _row(prompt: Prompt, entry: Entry, policy: ModelRef) -> PassRate:
    graded, correct = entry.latest_graded, entry.latest_correct
    low, high = INTERVALS[INTERVAL](correct, graded, CONFIDENCE)
    asked = policy_at(policy, entry.version)
    return PassRate(
        prompt_id=prompt.prompt_id,
        prompt=prompt.prompt,
        ground_truth=prompt.ground_truth,
        verifier=prompt.verifier,
        n_samples=graded,
        n_correct=correct,
        n_abstained=entry.latest_abstained,
        pass_rate=correct / graded,
        ci_low=low,
        ci_high=high,
        model=asked.model,
        revision=asked.revision,
        source=prompt.source,
        licence=prompt.licence,
        metadata=with_metadata(prompt, {FACTS: _facts(entry)}),
    )


def _facts(entry: Entry) -> dict[str, Any]:
    """`run`: over all groups of the run, whose weights were not the same."""
    totals = {
        "groups": entry.groups,
        "n_samples": entry.graded,
        "n_correct": entry.correct,
        "n_abstained": entry.abstained,
    }
    return {"interval": INTERVAL, "confidence": CONFIDENCE, "version": entry.version, "run": totals}
