"""Rollouts as rows of a dataset: what was asked and answered, what it was paid, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.manifest import ModelRef
from schemas.metadata import of_the_prompt, with_metadata
from schemas.records import Completion, Prompt
from trainer.rlvr.grading import to_completion
from trainer.rlvr.rollouts import Group, Rollout, first_version

FACTS = "rollout"  # where a row's metadata holds what has no column
NO_REWARD = "no reward"  # why a rollout was left out of a group that was learnt from
WATCHED = "watched"  # why nothing was learnt from an answer to a watched prompt


class RolloutRows(msgspec.Struct, frozen=True):
    """`policy`: the checkpoint that the run began with. `opens_thoughts`: its template writes `<think>`.

    `judges`: the models that judges ask.
    """

    policy: ModelRef
    opens_thoughts: bool
    judges: Sequence[ModelRef] = ()

    def of(self, group: Group, step: int, left_out: str | None) -> list[Completion]:
        """One row a rollout. `left_out`: why nothing was learnt from the group.

        Raises:
            DataError: the prompt's metadata is no JSON object.
        """
        placed = {"step": step, "draw": group.draw}
        return [
            self._row(group, index, group.draw, placed | _facts(rollout, left_out))
            for index, rollout in enumerate(group.rollouts)
        ]

    def watched(self, group: Group, step: int) -> list[Completion]:
        """Answers to a watched prompt after `step` batches. They are no draw, and nothing is learnt from them.

        Raises:
            DataError: the prompt's metadata is no JSON object.
        """
        placed = {"step": step, "draw": None}
        return [
            self._row(group, index, -1 - group.draw, placed | _facts(rollout, WATCHED))  # below 0: apart from draws
            for index, rollout in enumerate(group.rollouts)
        ]

    def _row(self, group: Group, index: int, draw: int, facts: dict[str, Any]) -> Completion:
        """`draw` tells rows apart that are alike in all else."""
        rollout, prompt = group.rollouts[index], group.prompt
        row = to_completion(
            prompt,
            rollout.answer,
            policy_at(self.policy, first_version(rollout)),
            index=index,
            seed=rollout.seed,
            draw=draw,
            opens_thoughts=self.opens_thoughts,
        )
        return msgspec.structs.replace(row, metadata=with_metadata(_as_asked(prompt), {FACTS: facts}))


def policy_at(policy: ModelRef, version: int) -> ModelRef:
    """The policy after so many batches; 0 is the checkpoint itself."""
    base = policy.revision.partition("+")[0]
    return msgspec.structs.replace(policy, revision=f"{base}+v{version}" if version else base)


def _facts(rollout: Rollout, left_out: str | None) -> dict[str, Any]:
    """`versions`: of the policy, each with the first token drawn from it. `said`: where LLM judges were asked."""
    why = NO_REWARD if left_out is None and rollout.reward is None else left_out
    said = {"said": rollout.said} if rollout.said else {}
    flex = {} if rollout.flex is None else {"flex": rollout.flex}
    return {
        "learnt": why is None,
        "left_out": why,
        "reward": rollout.reward,
        "parts": rollout.parts,
        "correct": rollout.correct,
        **flex,
        "reason": rollout.reason,
        "versions": rollout.answer.version_starts,
        **said,
    }


def _as_asked(prompt: Prompt) -> Prompt:
    """Without what its own row says of answers that somebody drew before."""
    return msgspec.structs.replace(prompt, metadata=of_the_prompt(prompt.metadata))
