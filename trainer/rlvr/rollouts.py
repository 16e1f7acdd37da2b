"""Rollouts: answers of the policy to one prompt, as token ids, with what the sampler and the judges say of them."""

from __future__ import annotations

import msgspec

from factory.sampling.types import Answer
from schemas.records import Prompt
from trainer.rlvr.spending import Spent

CUT = "length"  # the finish reason of an answer that did not come to its end


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """`reward` is null where the judges abstained or failed: such a rollout is not learnt from.

    `parts` are the judges' own scores and what penalties took. `correct`: the prompt's own verifier, for pass rates;
    `flex`: the same in its lenient form, null where it has one form or cannot tell. `said`: the reasons that LLM judges
    gave, by judge.
    """

    answer: Answer
    seed: int
    reward: float | None
    parts: dict[str, float | None]
    correct: bool | None
    flex: bool | None = None
    reason: str
    said: dict[str, str] = {}

    @property
    def ids(self) -> list[int]:
        return self.answer.token_ids or []

    @property
    def logprobs(self) -> list[float]:
        return self.answer.logprobs or []

    @property
    def is_cut(self) -> bool:
        return self.answer.finish_reason == CUT


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """All rollouts of one drawn prompt. `draw`: its number among all draws. `failed`: requests without an answer.

    `spent`: by LLM judge, what grading them took.
    """

    draw: int
    prompt: Prompt
    rollouts: list[Rollout]
    failed: dict[str, int] = {}
    spent: dict[str, Spent] = {}

    @property
    def graded(self) -> list[Rollout]:
        return [rollout for rollout in self.rollouts if rollout.reward is not None]

    @property
    def version(self) -> int:
        """Of the oldest weights that any of its tokens was drawn with."""
        return min((first_version(rollout) for rollout in self.rollouts), default=0)

    @property
    def has_gradient(self) -> bool:
        """Whether its rewards differ: centred, equal ones are all zero."""
        return len({rollout.reward for rollout in self.graded}) > 1


def first_version(rollout: Rollout) -> int:
    versions = rollout.answer.versions
    return 0 if versions is None else versions[0]
