"""The contract of everything that says what is good.

A verifier computes: it takes a prompt and an answer's text and returns a `Verdict`. `judge_group` applies it to a
`Group`, all completions of one prompt, and returns one `Judgement` each, in order. Only the answer is graded, never
the reasoning in front of it. An answer that cannot be read is wrong or abstained from, with the reason; a prompt that
cannot be checked is a `JudgeError`, never a score.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from schemas.canonical import canonical_json
from schemas.records import Completion, Judgement, Prompt
from schemas.records import Verdict as VerdictName

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


class JudgeError(Exception):
    """A judge could not judge. `kind` is short and countable; the reason names the prompt and what to do."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class Verdict(msgspec.Struct, frozen=True):
    """What a judge found: `score` in 0..1, null exactly when the judge abstains."""

    score: float | None
    verdict: VerdictName
    reason: str
    metadata: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if (self.score is None) != (self.verdict == "abstain"):
            raise ValueError(
                f"a verdict {self.verdict!r} with score {self.score}: null is for abstain, and only for it"
            )
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            raise ValueError(f"score {self.score} is outside 0..1")


def correct(reason: str, metadata: dict[str, Any] | None = None) -> Verdict:
    return Verdict(1.0, "correct", reason, metadata)


def wrong(reason: str, metadata: dict[str, Any] | None = None) -> Verdict:
    return Verdict(0.0, "wrong", reason, metadata)


def abstain(reason: str, metadata: dict[str, Any] | None = None) -> Verdict:
    return Verdict(None, "abstain", reason, metadata)


class Verifier(Protocol):
    """A judge without a model. Pure: the same prompt and text give the same verdict, in any thread or process."""

    @property
    def name(self) -> str: ...

    def verify(self, prompt: Prompt, text: str) -> Verdict:
        """Raises `JudgeError` when the prompt lacks what is needed to check it, or the check itself breaks."""


class Group(msgspec.Struct, frozen=True):
    """All completions of one prompt."""

    prompt: Prompt
    completions: list[Completion]


def judge_group(verifier: Verifier, group: Group) -> list[Judgement]:
    """One judgement per completion, in order. One error fails the group: half a group would be compared as a whole."""
    return [_judge(verifier, group.prompt, completion) for completion in group.completions]


def _judge(verifier: Verifier, prompt: Prompt, completion: Completion) -> Judgement:
    found = verifier.verify(prompt, completion_text(completion))
    return Judgement(
        prompt_id=prompt.prompt_id,
        completion_id=completion.completion_id,
        judge=verifier.name,
        score=found.score,
        verdict=found.verdict,
        reason=found.reason,
        metadata=None if found.metadata is None else canonical_json(found.metadata).decode(),
    )


def completion_text(completion: Completion) -> str:
    """The text that is graded: the last turn's content. Its `reasoning` is never looked at."""
    if not completion.completion:
        raise JudgeError("no_completion", f"completion {completion.completion_id}: it has no message to judge")
    return completion.completion[-1].content


def without_reasoning(text: str) -> str:
    """What follows the thoughts, for engines that leave them in the text. Thoughts that never end leave no answer."""
    if THINK_CLOSE in text:
        return text.rpartition(THINK_CLOSE)[2]
    return "" if text.lstrip().startswith(THINK_OPEN) else text


def need_ground_truth(prompt: Prompt, verifier: str) -> str:
    """The prompt's ground truth. Raises `JudgeError` when there is none."""
    if prompt.ground_truth is None or not prompt.ground_truth.strip():
        reason = (
            f"prompt {prompt.prompt_id}: {verifier} needs a ground_truth; build the prompts with a ground-truth column"
        )
        raise JudgeError("no_ground_truth", reason)
    return prompt.ground_truth
