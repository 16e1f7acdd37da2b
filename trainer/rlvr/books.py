"""What became of all that was drawn, counted: groups by why they were left out, requests by why they failed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from schemas.manifest import Cost, StageCount, Tokens
from schemas.records import Completion
from trainer.rlvr.collecting import Batch
from trainer.rlvr.rollout_rows import NO_REWARD
from trainer.rlvr.rollouts import Group
from trainer.rlvr.spending import Spent, total_spent


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """Of a batch, or of many. `learnt` and `left_out` are groups; `answers`, `failed` and `no_reward` are rollouts.

    `judged`: by LLM judge, what grading them took.
    """

    learnt: int = 0
    left_out: dict[str, int] = {}
    answers: int = 0
    failed: dict[str, int] = {}
    no_reward: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    licences: list[str] = []
    judged: dict[str, Spent] = {}

    def counters(self) -> list[StageCount]:
        """The rows of the version are what the last stage gives: rollouts that were left out are among them."""
        noted = {NO_REWARD: self.no_reward} if self.no_reward else {}
        asked = self.answers + sum(self.failed.values())
        return [
            StageCount(
                stage="groups",
                rows_in=self.learnt + sum(self.left_out.values()),
                rows_out=self.learnt,
                dropped=self.left_out,
                failed={},
            ),
            StageCount(
                stage="rollouts", rows_in=asked, rows_out=self.answers, dropped={}, failed=self.failed, noted=noted
            ),
        ]

    def tokens(self) -> Tokens:
        """All were asked for: there is no ledger of answers to take them from."""
        prompt, completion = self.prompt_tokens, self.completion_tokens
        return Tokens(prompt=prompt, completion=completion, prompt_asked=prompt, completion_asked=completion)

    def cost(self) -> Cost:
        """Of the judges: the policy answers here, and nobody is paid. Unknown where the price of one is."""
        paid = [spent.usd for spent in self.judged.values()]
        return Cost(usd=None if None in paid else math.fsum(usd for usd in paid if usd is not None))


def books_of(batch: Batch, rows: Iterable[Completion]) -> Books:
    """`rows`: all that the batch has."""
    found = books_of_groups([*batch.groups, *(group for _, group in batch.others)], rows)
    return msgspec.structs.replace(
        found, learnt=len(batch.groups), left_out=_sum([{why: 1} for why, _ in batch.others])
    )


def books_of_groups(groups: Sequence[Group], rows: Iterable[Completion]) -> Books:
    """Of groups that no batch takes. `rows`: all that they have."""
    rows = list(rows)
    return Books(
        answers=len(rows),
        failed=_sum([group.failed for group in groups]),
        no_reward=sum(rollout.reward is None for group in groups for rollout in group.rollouts),
        prompt_tokens=sum(row.n_prompt_tokens for row in rows),
        completion_tokens=sum(row.n_completion_tokens for row in rows),
        licences=sorted({row.licence for row in rows}),
        judged=total_spent(group.spent for group in groups),
    )


def add_books(many: Iterable[Books]) -> Books:
    found = list(many)
    return Books(
        learnt=sum(books.learnt for books in found),
        left_out=_sum([books.left_out for books in found]),
        answers=sum(books.answers for books in found),
        failed=_sum([books.failed for books in found]),
        no_reward=sum(books.no_reward for books in found),
        prompt_tokens=sum(books.prompt_tokens for books in found),
        completion_tokens=sum(books.completion_tokens for books in found),
        licences=sorted({name for books in found for name in books.licences}),
        judged=total_spent(books.judged for books in found),
    )


def _sum(many: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in many:
        total.update(counts)
    return dict(sorted(total.items()))
