"""Answers to rewards: by the prompt's own judge and those that the recipe names.

Verifiers run here or in their worker processes, LLM judges ask their endpoints. A prompt's `verifier` may name one of
[reward.judges]: so each prompt of a mixture has what suits it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from factory.sampling.reasoning import split_reasoning
from factory.sampling.request import derive_seed
from factory.sampling.types import Answer
from judges.base import Group as JudgedGroup
from judges.base import Outcome, Verifier, VerifierJudge, abstain, to_judgement
from judges.llm.asking import gathered
from judges.penalties import output_of
from judges.registry import make_verifier
from judges.rewards import ROW_VERIFIER, Reward, gated, read_recipe, reward
from schemas.canonical import short_hash
from schemas.manifest import ModelRef
from schemas.records import Completion, Judgement, Message, Prompt
from trainer.errors import TrainError
from trainer.reward_recipe import JudgeRunTable, RewardTable
from trainer.rlvr.forms import is_correct, lenient
from trainer.rlvr.judging import Judged, RewardJudges
from trainer.rlvr.rollouts import CUT, Rollout
from trainer.rlvr.spending import Spent
from trainer.rlvr.tasks import Task

NO_VERIFIER = "the prompt names no verifier"
Found = dict[str, Outcome]  # by judge, of one answer


class Graded(msgspec.Struct, frozen=True):
    """One rollout an answer, in order, and by LLM judge what grading them took."""

    rollouts: list[Rollout]
    spent: dict[str, Spent]


class Grader:
    """Grades all answers to one prompt. Safe to call from many tasks of one event loop."""

    def __init__(self, table: RewardTable, opens_thoughts: bool, seed: int, run: JudgeRunTable | None = None) -> None:
        """`opens_thoughts`: the chat template wrote `<think>`, so an answer begins inside the thoughts.

        Raises:
            TrainError: the table `[reward]` is wrong.
        """
        self._table, self._opens_thoughts, self._seed = table, opens_thoughts, seed
        try:
            self._named = {name: _named_verifier(name, options) for name, options in table.verifiers.items()}
            self.judges = RewardJudges(table.judges, run or JudgeRunTable(), seed)
            self._recipe = read_recipe(_plain(table), [*self._named, *table.judges])
        except ValueError as err:
            raise TrainError(f"recipe: {err}") from err
        self._rows: dict[str, Verifier] = {}

    @property
    def needs_verifier(self) -> bool:
        """Whether every prompt must name one: it counts, and nothing is said to count for its abstention."""
        gate, parts = self._recipe.gate, self._recipe.parts
        counts = [part for part in parts if part.judge == ROW_VERIFIER and part.weight and part.abstain_score is None]
        return bool(counts) or (gate is not None and gate.judge == ROW_VERIFIER)

    def check(self, tasks: Sequence[Task]) -> None:
        """Make every verifier that a task names. Raises TrainError for a name that there is not."""
        for task in tasks:
            name = task.prompt.verifier
            if name is None or name in self._rows or name in self.judges:
                continue
            try:
                self._rows[name] = make_verifier(name)
            except ValueError as err:
                raise TrainError(f"prompt {task.prompt.prompt_id}: {err}") from err

    async def grade(self, prompt: Prompt, rows: Sequence[Completion], answers: Sequence[Answer]) -> Graded:
        """`rows` are the same answers as records. Raises RunError when a judge's model can answer no more."""
        group = JudgedGroup(prompt, list(rows))
        found: list[Found] = [{} for _ in rows]
        spent: dict[str, Spent] = {}
        first, later = self._in_turn(prompt)
        await self._judge(first, group, found, spent)
        await self._judge(later, group, found, spent)
        own = [known.get(ROW_VERIFIER) for known in found]
        flex = await lenient(prompt, self._rows.get(prompt.verifier or ""), rows, own)
        rollouts = [self._rollout(*each) for each in zip(rows, answers, found, flex, strict=True)]
        return Graded(rollouts, spent)

    def _in_turn(self, prompt: Prompt) -> tuple[list[str], list[str]]:
        """Judges that see every answer, and those that a gate spares the answers that it does not let through.

        All are the recipe's, and the prompt's own for its pass rate even where it is not rewarded.
        """
        names = dict.fromkeys(self._recipe.judges)
        if prompt.verifier is not None:
            names[ROW_VERIFIER] = None
        gate = self._recipe.gate
        asked = [name for name in names if self._asked(name, prompt.verifier)]
        later = [] if gate is None else [name for name in asked if name != gate.judge]
        return [name for name in names if name not in later], later

    def _asked(self, name: str, verifier: str | None) -> str | None:
        """The LLM judge that the name stands for, if it does for one. `verifier`: the prompt's."""
        called = verifier if name == ROW_VERIFIER else name
        return called if called in self.judges else None

    async def _judge(
        self, names: Sequence[str], group: JudgedGroup, found: list[Found], spent: dict[str, Spent]
    ) -> None:
        """Adds to `found` what each judge says of the answers that come so far, and to `spent` what it took."""
        open_ = [at for at, known in enumerate(found) if self._is_open(known)]
        if not names or not open_:
            return
        part = JudgedGroup(group.prompt, [group.completions[at] for at in open_])
        # By what they stand for: a prompt's own judge may be one of the recipe's, and is asked once.
        stands = {name: self._asked(name, group.prompt.verifier) or name for name in names}
        told = list(dict.fromkeys(stands.values()))
        judged = dict(zip(told, await gathered([self._outcomes(name, part) for name in told]), strict=True))
        for name, stand in stands.items():
            for at, outcome in zip(open_, judged[stand].outcomes, strict=True):
                found[at][name] = outcome
        spent |= {name: one.spent for name, one in judged.items() if one.spent is not None}

    def _is_open(self, known: Found) -> bool:
        """Whether the gate has not decided yet."""
        gate = self._recipe.gate
        return gate is None or gate.judge not in known or gated(self._recipe, known[gate.judge]) is None

    async def _outcomes(self, name: str, group: JudgedGroup) -> Judged:
        if name in self.judges:
            return await self.judges.judge(name, group)
        own = group.prompt.verifier
        if name == ROW_VERIFIER and own is None:
            return Judged([to_judgement(name, row, abstain(NO_VERIFIER)) for row in group.completions])
        verifier = self._rows[own or ""] if name == ROW_VERIFIER else self._named[name]
        return Judged(await VerifierJudge(verifier).judge(group))

    def _rollout(self, row: Completion, answer: Answer, found: Found, flex: bool | None) -> Rollout:
        judged = reward(self._recipe, found, output_of(row))
        value, reason = self._value(judged, row)
        asked = [name for name in found if self._asked(name, row.verifier)]
        return Rollout(
            answer=answer,
            seed=row.seed or 0,
            reward=value,
            parts=judged.parts,
            correct=is_correct(found.get(ROW_VERIFIER)),
            flex=flex,
            reason=reason,
            said={name: one.raw or one.reason for name in asked if isinstance(one := found[name], Judgement)},
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
