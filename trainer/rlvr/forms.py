"""The second form of the prompts' own verdicts: watched beside the reward, and never paid.

Where flex is right and strict is wrong, the policy knows the answer and loses it by its form. A gap that closes while
flex stands still is a policy that learns how to say it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from judges.base import JudgeError, Outcome, Verifier, graded_text, last_turn
from judges.flex import flex, has_two_forms
from schemas.records import Completion, Judgement, Prompt


async def lenient(
    prompt: Prompt, verifier: Verifier | None, rows: Sequence[Completion], outcomes: Sequence[Outcome | None]
) -> list[bool | None]:
    """Whether each answer is right in any form. `outcomes`: what the prompt's own verifier says of each.

    None where there is no second form, no verdict, or the lenient check cannot tell: the reward stands without it.
    """
    if verifier is None or not has_two_forms(verifier.name):
        return [None] * len(rows)
    return list(await asyncio.gather(*(_one(prompt, verifier, *each) for each in zip(rows, outcomes, strict=True))))


async def _one(prompt: Prompt, verifier: Verifier, row: Completion, own: Outcome | None) -> bool | None:
    if not isinstance(own, Judgement):
        return None
    facts = {} if own.metadata is None else msgspec.json.decode(own.metadata)
    text = graded_text(verifier, last_turn(row))
    try:
        return await flex(verifier.name, prompt, text, is_correct(own), facts)
    except JudgeError:
        return None


def is_correct(own: Outcome | None) -> bool | None:
    """The strict verdict; None where there is none."""
    if own is None or isinstance(own, JudgeError) or own.score is None:
        return None
    return own.verdict == "correct"
