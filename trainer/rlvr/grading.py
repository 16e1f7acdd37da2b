"""Answers to rewards: by the prompt's own verifier and those that the recipe names, in their worker processes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from factory.sampling.reasoning import split_reasoning
from factory.sampling.request import derive_seed
from factory.sampling.types import Answer
from judges.base import Group as JudgedGroup
from judges.base import JudgeError, Outcome, Verifier, VerifierJudge
from judges.penalties import output_of
from judges.registry import make_verifier
from judges.rewards import ROW_VERIFIER, Reward, read_recipe, reward
from schemas.canonical import short_hash
from schemas.manifest import ModelRef
from schemas.records import Completion, Message, Prompt
from trainer.errors import TrainError
from trainer.rlvr.rollouts import CUT, Rollout
from trainer.rlvr.tasks import Task
from trainer.rlvr_recipe import RewardTable


class Grader:
    """Grades all answers to one prompt. Safe to call from many tasks of one event loop."""

    def __init__(self, table: RewardTable, opens_thoughts: bool, seed: int) -> None:
        """`opens_thoughts`: the chat template wrote `<think>`, so an answer begins inside the thoughts.

        Raises:
            TrainError: the table `[reward]` is wrong.
        """
        self._table, self._opens_thoughts, self._seed = table, opens_thoughts, seed
        try:
            self._named = {name: _named_verifier(name, options) for name, options in table.verifiers.items()}
            self._recipe = read_recipe(_plain(table), self._named)
        except ValueError as err:
            raise TrainError(f"recipe: {err}") from err
        self._rows: dict[str, Verifier] = {}

    @property
    def needs_verifier(self) -> bool:
        """Whether every prompt must name one."""
        return ROW_VERIFIER in self._recipe.judges or self._table.control is not None

    def check(self, tasks: Sequence[Task]) -> None:
        """Make every verifier that a task names. Raises TrainError for a name that there is not."""
        for task in tasks:
            name = task.prompt.verifier
            if name is None or name in self._rows:
                continue
            try:
                self._rows[name] = make_verifier(name)
            except ValueError as err:
                raise TrainError(f"prompt {task.prompt.prompt_id}: {err}") from err

    async def grade(self, prompt: Prompt, rows: Sequence[Completion], answers: Sequence[Answer]) -> list[Rollout]:
        """One rollout an answer, in order. `rows` are the same answers as records."""
        asked = {name: self._judge(name, prompt) for name in self._judges(prompt)}
        group = JudgedGroup(prompt, list(rows))
        outcomes = dict(
            zip(asked, await asyncio.gather(*(judge.judge(group) for judge in asked.values())), strict=True)
        )
        return [
            self._rollout(row, answer, {name: found[at] for name, found in outcomes.items()})
            for at, (row, answer) in enumerate(zip(rows, answers, strict=True))
        ]

    def _judges(self, prompt: Prompt) -> list[str]:
        """The recipe's, and the prompt's own for its pass rate even where it is not rewarded."""
        names = dict.fromkeys(self._recipe.judges)
        if prompt.verifier is not None:
            names[ROW_VERIFIER] = None
        return list(names)

    def _judge(self, name: str, prompt: Prompt) -> VerifierJudge:
        return VerifierJudge(self._rows[prompt.verifier or ""] if name == ROW_VERIFIER else self._named[name])

    def _rollout(self, row: Completion, answer: Answer, found: Mapping[str, Outcome]) -> Rollout:
        own = found.get(ROW_VERIFIER)
        judged = reward(self._recipe, found, output_of(row))
        value, reason = self._value(judged, row)
        return Rollout(
            answer=answer,
            seed=row.seed or 0,
            reward=value,
            parts=judged.parts,
            correct=_is_correct(own),
            reason=reason,
        )

    def _value(self, judged: Reward, row: Completion) -> tuple[float | None, str]:
        if self._table.control == "random":
            return float(derive_seed(self._seed, "coin", row.completion_id) & 1), "the toss of a coin"
        if self._table.no_end is not None and row.finish_reason == CUT and judged.value is not None:
            return self._table.no_end, f"no end: {self._table.no_end:g}"
        return judged.value, judged.reason


def to_completion(
    prompt: Prompt, answer: Answer, model: ModelRef, *, index: int, seed: int, draw: int, opens_thoughts: bool
) -> Completion:
    """The answer as a record: what judges read, and what people look at later."""
    split = split_reasoning(answer.text, opens_thoughts)
    reasoning = answer.reasoning if split.reasoning is None else split.reasoning
    key = short_hash([model.revision, prompt.prompt_id, draw, index, seed])
    return Completion(
        completion_id=key,
        prompt_id=prompt.prompt_id,
        sample_index=index,
        prompt=prompt.prompt,
        completion=[Message("assistant", split.answer, reasoning)],
        ground_truth=prompt.ground_truth,
        verifier=prompt.verifier,
        finish_reason=answer.finish_reason,
        n_prompt_tokens=answer.n_prompt_tokens,
        n_completion_tokens=answer.n_completion_tokens,
        prompt_token_ids=answer.prompt_token_ids,
        token_ids=answer.token_ids,
        logprobs=answer.logprobs,
        model=model.model,
        revision=model.revision,
        engine=model.engine,
        temperature=1.0,
        top_p=1.0,
        seed=seed,
        request_key=key,
        source=prompt.source,
        licence=prompt.licence,
    )


def _named_verifier(name: str, options: Mapping[str, object]) -> Verifier:
    given = dict(options)
    return make_verifier(str(given.pop("verifier", name)), given)


def _plain(table: RewardTable) -> dict[str, object]:
    found: dict[str, object] = {"parts": list(table.parts), "penalties": table.penalties}
    return found if table.gate is None else {**found, "gate": table.gate}


def _is_correct(own: Outcome | None) -> bool | None:
    if own is None or isinstance(own, JudgeError) or own.score is None:
        return None
    return own.verdict == "correct"
