"""Collecting batches: groups are asked for ahead, and taken in the order in which their prompts were drawn.

Never in the order in which they end: a batch of those that came first would be one of short answers (the defect that
open-instruct has). Whoever is slow holds up the batch and nobody else: the groups after it are already being sampled.

    max_age 0   a round asks for as many groups as will give what the batch lacks, if as many of them have a gradient as
                had in the batch before; the next round begins when all have ended. What is over is left out
    above it    so many batches more are in the making, and each group that came to nothing is replaced at once
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from judges.base import JudgeError
from judges.error_budget import ErrorBudget, TooManyErrorsError
from trainer.errors import TrainError
from trainer.rlvr.drawing import Draw, Drawing, Rule
from trainer.rlvr.ledger import Entry, Ledger
from trainer.rlvr.rollouts import Group
from trainer.rlvr.spending import Spent, total_spent
from trainer.rlvr.tasks import Tasks
from trainer.rlvr_recipe import RlvrRecipe

BUDGET_ROWS = 2000  # rollouts that one error budget is for
SURPLUS = "surplus"
LEAST_SHARE = 0.25  # of groups kept, that a round reckons with: it asks for four times what is lacking at most
Ask = Callable[[list[Draw]], list[Awaitable[Group]]]


class State(msgspec.Struct, kw_only=True):
    """All that the next batch depends on, but the weights: saved with every checkpoint.

    `window`: the draws that no batch has taken yet, in order, with their groups where they have ended. `useful_share`:
    of the groups drawn for the last batch, how many it could have learnt from.
    """

    drawing: Drawing = msgspec.field(default_factory=Drawing)
    entries: dict[str, Entry] = {}
    window: list[tuple[Draw, Group | None]] = []
    useful_share: float = 1.0

    @property
    def taken(self) -> int:
        """How many draws batches have taken: they take them in order."""
        return self.window[0][0].number if self.window else self.drawing.number


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """The groups to learn from, and the others that were drawn for it, each with why it was left out; in order.

    `left_out`: the others, counted by reason. `passed_over`: prompts that were not drawn since the last batch, retired
    or by the curriculum. `spent`: by LLM judge, on all groups.
    """

    groups: list[Group]
    left_out: Mapping[str, int]
    drawn: int
    passed_over: int = 0
    others: list[tuple[str, Group]] = []
    spent: Mapping[str, Spent] = {}


class Collector:
    """Use from one event loop. `ask` begins to sample and grade groups, all of a list at once."""

    def __init__(self, recipe: RlvrRecipe, tasks: Tasks, ask: Ask, state: State) -> None:
        self._recipe, self._tasks, self._ask = recipe, tasks, ask
        self._drawing, self.ledger = state.drawing, Ledger(state.entries)
        self._rule = Rule(
            retire_above=recipe.signal.retire_above,
            curriculum=recipe.signal.curriculum,
            n=recipe.rollouts.per_prompt,
            seed=recipe.seed,
        )
        self._window: list[tuple[Draw, asyncio.Future[Group]]] = []
        self._since_kept = 0
        self._lacking = 0  # groups that a batch is waiting for
        self._useful_share = state.useful_share
        self._new_budget()
        self._restore(state)

    async def batch(self, version: int) -> Batch:
        """The next batch, for weights of this version. Smaller, or empty, when no prompt gives a gradient any more.

        Raises:
            TrainError: too many rollouts have no reward.
            SamplingError: the sampler cannot go on.
        """
        wanted = self._recipe.rollouts.prompts
        passed_over = self._drawing.passed_over
        kept: list[Group] = []
        others: list[tuple[str, Group]] = []
        while len(kept) < wanted and not self._is_hopeless():
            self._lacking = wanted - len(kept)
            self._fill()
            if not self._window:
                break
            group = await self._window[0][1]
            self._window.pop(0)
            self._count(group)
            why = self._why_not(group, version)
            if why is None:
                kept.append(group)
                self._since_kept = 0
            else:
                others.append((why, group))
                self._since_kept += 1
        self._lacking = 0
        others += await self._surplus(version)
        if len(kept) < wanted:  # an epoch of draws was not enough: because of the prompts, or of judges that fail
            self._check_budget()
        if kept:
            useful = len(kept) + sum(why == SURPLUS for why, _ in others)
            self._useful_share = max(LEAST_SHARE, useful / (len(kept) + len(others)))
        return Batch(
            groups=kept,
            left_out=dict(Counter(why for why, _ in others)),
            drawn=len(kept) + len(others),
            passed_over=self._drawing.passed_over - passed_over,
            others=others,
            spent=total_spent([*(group.spent for group in kept), *(group.spent for _, group in others)]),
        )

    def state(self) -> State:
        window = [(draw, coming.result() if _has_ended(coming) else None) for draw, coming in self._window]
        return State(
            drawing=msgspec.structs.replace(self._drawing),
            entries=self.ledger.entries,
            window=window,
            useful_share=self._useful_share,
        )

    async def close(self) -> None:
        for _, coming in self._window:
            coming.cancel()
        await asyncio.gather(*(coming for _, coming in self._window), return_exceptions=True)

    async def _surplus(self, version: int) -> list[tuple[str, Group]]:
        """In turns, what the last round gave beyond the batch: for the next one its weights are too old."""
        if self._recipe.rollouts.max_age:
            return []
        groups = [await coming for _, coming in self._window]
        self._window.clear()
        for group in groups:
            self._count(group)
        return [(self._why_not(group, version) or SURPLUS, group) for group in groups]

    def _restore(self, state: State) -> None:
        loop = asyncio.get_running_loop()
        missing = [draw for draw, group in state.window if group is None]
        asked = dict(zip((draw.number for draw in missing), self._start(missing), strict=True))
        for draw, group in state.window:
            coming = asked.get(draw.number)
            if group is not None:
                coming = loop.create_future()
                coming.set_result(group)
            assert coming is not None
            self._window.append((draw, coming))

    def _fill(self) -> None:
        """Ask for as many groups as this batch lacks, and later ones will need."""
        ahead = self._recipe.rollouts.max_age * self._recipe.rollouts.prompts
        if not ahead and self._window:
            return  # the round is not over
        useful = sum(self._may_be_kept(coming) for _, coming in self._window)
        wanted = self._lacking + ahead - useful if ahead else math.ceil(self._lacking / self._useful_share)
        draws = []
        for _ in range(wanted):
            draw = self._drawing.next(self._tasks, self.ledger, self._rule)
            if draw is None:
                break
            draws.append(draw)
        self._window += zip(draws, self._start(draws), strict=True)

    def _start(self, draws: list[Draw]) -> list[asyncio.Future[Group]]:
        coming: list[asyncio.Future[Group]] = []
        if draws:
            coming += (asyncio.ensure_future(one) for one in self._ask(draws))
        if self._recipe.rollouts.max_age:
            for one in coming:
                one.add_done_callback(self._replace)
        return coming

    def _replace(self, ended: asyncio.Future[Group]) -> None:
        """One that came to nothing makes room while the learner is at work."""
        if not ended.cancelled() and ended.exception() is None and not self._may_be_kept(ended):
            self._fill()

    def _may_be_kept(self, coming: asyncio.Future[Group]) -> bool:
        return not _has_ended(coming) or not self._recipe.rollouts.only_with_gradient or coming.result().has_gradient

    def _is_hopeless(self) -> bool:
        """Whether an epoch's worth of draws, one after the other, gave nothing to learn from."""
        return self._since_kept >= max(self._tasks.epoch, self._recipe.rollouts.prompts)

    def _why_not(self, group: Group, version: int) -> str | None:
        if not group.graded:
            return "no reward" if group.rollouts else "unanswered"
        if group.version < version - self._recipe.rollouts.max_age:
            return "stale"
        if self._recipe.rollouts.only_with_gradient and not group.has_gradient:
            rewards = {rollout.reward for rollout in group.graded}
            best = max(reward for reward in rewards if reward is not None)
            return "all wrong" if best <= 0 else "all alike"
        return None

    def _count(self, group: Group) -> None:
        """Into the ledger and the error budget."""
        self.ledger.add(group)
        errors = [JudgeError(kind, "no answer") for kind, count in group.failed.items() for _ in range(count)]
        unrewarded = [rollout.reason for rollout in group.rollouts if rollout.reward is None]
        found: list[JudgeError | None] = [*errors, *(JudgeError("no_reward", reason) for reason in unrewarded)]
        found += [None] * len(group.graded)
        try:
            for error in found:
                self._budget.add(self._budgeted, error)
                self._budgeted += 1
        except TooManyErrorsError as err:
            raise _halted(err) from err
        if self._budgeted >= BUDGET_ROWS:
            self._check_budget()

    def _check_budget(self) -> None:
        """The whole share, of all rollouts since the last check."""
        try:
            self._budget.check()
        except TooManyErrorsError as err:
            raise _halted(err) from err
        self._new_budget()

    def _new_budget(self) -> None:
        self._budget, self._budgeted = ErrorBudget(self._recipe.rollouts.max_failed_share), 0


def _halted(err: TooManyErrorsError) -> TrainError:
    return TrainError(f"rollouts without a reward: {err}")


def _has_ended(coming: asyncio.Future[Group]) -> bool:
    return coming.done() and not coming.cancelled() and coming.exception() is None
