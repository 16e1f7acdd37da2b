"""Groups and tasks made by hand."""

from __future__ import annotations

from factory.sampling.types import Answer
from schemas.canonical import prompt_id
from schemas.records import Message, Prompt
from trainer.rlvr.rollouts import Group, Rollout
from trainer.rlvr.tasks import Task


def prompt(number: int, **changes) -> Prompt:
    messages = [Message("user", f"question {number}")]
    known = {"ground_truth": str(number), "verifier": "string_matcher", "source": "made", "licence": "CC0-1.0"}
    return Prompt(prompt_id=prompt_id(messages), prompt=messages, source_id=str(number), **known | changes)


def tasks(count: int, rates=None) -> list[Task]:
    """`rates`: correct answers of 8, for each."""
    if rates is None:
        return [Task(prompt(number)) for number in range(count)]
    return [Task(prompt(number), 8, rate) for number, rate in enumerate(rates)]


def answer(ids, *, version: int = 0, finish: str = "stop", prompt_ids=(1, 2)) -> Answer:
    return Answer(
        text=" ".join(map(str, ids)),
        finish_reason=finish,
        n_prompt_tokens=len(prompt_ids),
        n_completion_tokens=len(ids),
        prompt_token_ids=list(prompt_ids),
        token_ids=list(ids),
        logprobs=[-0.5] * len(ids),
        version_starts=[(version, 0)],
    )


def rollout(reward, *, ids=(3, 4), correct=None, version: int = 0, finish: str = "stop") -> Rollout:
    is_correct = None if reward is None else reward > 0
    return Rollout(
        answer=answer(ids, version=version, finish=finish),
        seed=0,
        reward=reward,
        parts={"verifier": reward},
        correct=is_correct if correct is None else correct,
        reason="made",
    )


def group(draw: int, rewards, *, number: int | None = None, version: int = 0) -> Group:
    made = [rollout(reward, version=version) for reward in rewards]
    return Group(draw=draw, prompt=prompt(draw if number is None else number), rollouts=made)
