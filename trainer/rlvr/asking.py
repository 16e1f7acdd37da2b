"""From a draw to a graded group: the policy answers the prompt, the judges grade the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from factory.sampling.errors import RowError, RunError
from factory.sampling.request import derive_seed
from factory.sampling.types import Answer, Sampler, SampleRequest, SamplingParams
from schemas.records import Completion
from trainer.rlvr.drawing import Draw, seed_of
from trainer.rlvr.grading import Grader, to_completion
from trainer.rlvr.rollouts import Group
from trainer.rlvr.tasks import Listed, Task, Tasks
from trainer.rlvr_recipe import RlvrRecipe

Together = Callable[[Sequence[SampleRequest]], Awaitable[list[list[Answer] | RowError]]]


class Asker:
    """Groups of one policy. Its answers are drawn at temperature 1 from the whole distribution: from the policy.

    `together` asks a whole list at once, in a way that repeats to the last bit; None: each request by itself.
    """

    def __init__(
        self,
        recipe: RlvrRecipe,
        tasks: Tasks | Listed,
        sampler: Sampler,
        grader: Grader,
        opens_thoughts: bool,
        n: int,
        together: Together | None = None,
    ) -> None:
        """`n`: answers to each prompt."""
        self._recipe, self._tasks, self._sampler, self._grader = recipe, tasks, sampler, grader
        self._opens_thoughts, self._n, self._together = opens_thoughts, n, together

    def __call__(self, draws: list[Draw]) -> list[Awaitable[Group]]:
        """Begins at once, all together."""
        requests = [self._request(draw) for draw in draws]
        if self._together is None:
            return [
                asyncio.create_task(self._group(draw, self._one(one)))
                for draw, one in zip(draws, requests, strict=True)
            ]
        asked = asyncio.ensure_future(self._together(requests))
        return [asyncio.create_task(self._group(draw, _nth(asked, at))) for at, draw in enumerate(draws)]

    def _request(self, draw: Draw) -> SampleRequest:
        task = self._tasks.at(draw.position)
        return SampleRequest(task.prompt.prompt, self._n, params_of(self._recipe, self._seed(draw, task)))

    def _seed(self, draw: Draw, task: Task) -> int:
        return seed_of(draw, task, self._recipe.seed)

    async def _one(self, request: SampleRequest) -> list[Answer] | RowError:
        try:
            return await self._sampler.sample(request.messages, request.n, request.params)
        except RowError as err:
            return err

    async def _group(self, draw: Draw, coming: Awaitable[list[Answer] | RowError]) -> Group:
        task, answers = self._tasks.at(draw.position), await coming
        if isinstance(answers, RowError):
            return Group(draw=draw.number, prompt=task.prompt, rollouts=[], failed={answers.kind: self._n})
        seed = self._seed(draw, task)
        rows = [self._completion(draw, task, answer, index, seed) for index, answer in enumerate(checked(answers))]
        graded = await self._grader.grade(task.prompt, rows, answers)
        return Group(draw=draw.number, prompt=task.prompt, rollouts=graded.rollouts, spent=graded.spent)

    def _completion(self, draw: Draw, task: Task, answer: Answer, index: int, seed: int) -> Completion:
        return to_completion(
            task.prompt,
            answer,
            self._sampler.model,
            index=index,
            seed=derive_seed(seed, index),
            draw=draw.number,
            opens_thoughts=self._opens_thoughts,
        )


def params_of(recipe: RlvrRecipe, seed: int) -> SamplingParams:
    return SamplingParams(
        temperature=1.0,
        top_p=1.0,
        max_tokens=recipe.rollouts.max_tokens,
        seed=seed,
        logprobs=True,
        token_ids=True,
        chat_template_kwargs=recipe.rows.chat_template_kwargs,
    )


async def _nth(asked: asyncio.Future[list[list[Answer] | RowError]], at: int) -> list[Answer] | RowError:
    """Shielded: a group that is given up does not take the others with it."""
    return (await asyncio.shield(asked))[at]


def checked(answers: list[Answer]) -> list[Answer]:
    """Raises RunError for an answer without its ids and log-probs: it could only be tokenised again, with others."""
    for answer in answers:
        ids, logprobs = answer.token_ids, answer.logprobs
        if answer.prompt_token_ids is None or ids is None or logprobs is None or len(ids) != len(logprobs):
            raise RunError("no_token_ids", "the sampler did not give token ids and log-probs of each answer")
    return answers
