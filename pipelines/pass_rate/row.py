"""`factory build pass-rate`: how often each policy solves each prompt, by the prompt's verifier.

For each prompt and policy: draw n answers, or batches of them until it is settled what becomes of the prompt; verify
each; count. The rate is over the answers that got a verdict. What `keep` does not keep is rejected with its rate, so
that another range can be tried, and all answers stay in the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import msgspec

from factory.sampling.request import Drawer, Drawn, Missed, derive_seed
from judges.base import Verifier
from judges.estimates import INTERVALS, pass_at_k
from pipelines.ask import Answered, Asked, Draws, asked_messages, dead_letter, to_completion
from pipelines.pass_rate.recipe import PassRateRecipe
from pipelines.pass_rate.sequential import Count, Stop, fewest_draws, mean_draws
from pipelines.rows import RowResult, StageTally, rejection
from pipelines.steps import Graded, Step, not_truncated, run_steps, verify
from pipelines.tools import Tools
from schemas.metadata import with_metadata
from schemas.records import Completion, Message, PassRate, Prompt, Rejection

FACTS = "pass_rate"  # where a row's metadata holds what has no column


class Samples(msgspec.Struct, frozen=True):
    """Answers of one policy to one prompt, and what became of each."""

    drawn: Sequence[Drawn] = ()
    graded: Sequence[Graded] = ()
    rejections: Sequence[Rejection] = ()
    stages: Sequence[StageTally] = ()

    @property
    def correct(self) -> int:
        return sum(one.correct for one in self.graded)

    def lost(self, kind: str) -> int:
        return sum(one.kind == kind for one in self.rejections)

    def plus(self, more: Samples) -> Samples:
        return Samples(
            [*self.drawn, *more.drawn],
            [*self.graded, *more.graded],
            [*self.rejections, *more.rejections],
            [*self.stages, *more.stages],
        )


class Measured(msgspec.Struct, frozen=True):
    """A prompt that one policy has answered often enough. `stopped`: why no more was drawn, None: all was."""

    samples: Samples
    planned: int
    asked: int
    stopped: Stop | None


async def pass_rate_row(recipe: PassRateRecipe, tools: Tools, prompt: Prompt) -> RowResult:
    verifier = tools.verifiers.of(prompt)
    if verifier is None:
        return _unverifiable(prompt)
    trial = Trial(recipe, prompt, verifier)
    results = [trial.result(drawer, await trial.measure(drawer)) for drawer in tools.drawers]
    return RowResult(
        rows=[row for result in results for row in result.rows],
        rejections=[one for result in results for one in result.rejections],
        stages=[tally for result in results for tally in result.stages],
        drawn=[drawn for result in results for drawn in result.drawn],
    )


def pass_rate_asks(recipe: PassRateRecipe, prompt: Prompt, place: int) -> Iterator[Asked]:
    """The same of each policy. Nothing where no verifier could check the answers."""
    if recipe.verifier is None and prompt.verifier is None:
        return
    rule, draws = recipe.rule, None
    if rule is not None:
        plan = recipe.n, recipe.sequential.batch, recipe.needed
        draws = Draws(fewest_draws(*plan), mean_draws(rule, *plan))
    seed = derive_seed(recipe.seed, prompt.prompt_id)
    yield Asked(asked_messages(prompt, recipe), recipe.n, seed, draws=draws)


def _unverifiable(prompt: Prompt) -> RowResult:
    """Found out before an answer is paid for."""
    reason = "the prompt names no verifier; build the prompts with --verifier, or set `verifier` in the recipe"
    letter = rejection(prompt.prompt_id, "verify", "no_verifier", reason, outcome="failed", row=prompt)
    return RowResult(rows=[], rejections=[letter], stages=[StageTally("verify", 1, 0)])


class Trial:
    """One prompt before the policies."""

    def __init__(self, recipe: PassRateRecipe, prompt: Prompt, verifier: Verifier) -> None:
        self._recipe, self._prompt, self._verifier = recipe, prompt, verifier
        self._messages: list[Message] = asked_messages(prompt, recipe)
        self._steps: list[Step[Completion]] = [Step("length", not_truncated)] if recipe.truncated == "drop" else []

    async def measure(self, drawer: Drawer) -> Measured:
        recipe, rule = self._recipe, self._recipe.rule
        batch = recipe.n if rule is None else recipe.sequential.batch
        found, asked, stopped = Samples(), 0, None
        while asked < recipe.n and stopped is None:
            size = min(batch, recipe.n - asked)
            found = found.plus(await self._draw(drawer, size, first=asked))
            asked += size
            if rule is not None:
                stopped = rule.stop(
                    Count(
                        correct=found.correct,
                        usable=len(found.graded),
                        left=recipe.n - asked,
                        needed=recipe.needed,
                    )
                )
        return Measured(found, recipe.n, asked, stopped)

    async def _draw(self, drawer: Drawer, n: int, first: int) -> Samples:
        row_seed = derive_seed(self._recipe.seed, self._prompt.prompt_id)
        outcomes = await drawer.draw(self._messages, n, row_seed, first)
        drawn = [one for one in outcomes if isinstance(one, Drawn)]
        dead = [dead_letter(self._prompt.prompt_id, one) for one in outcomes if isinstance(one, Missed)]
        rows = [to_completion(self._prompt, self._messages, Answered(drawer, one)) for one in drawn]
        passed = await run_steps(rows, self._steps)
        graded, ungraded = await self._grade(passed.rows)
        return Samples(
            drawn,
            graded,
            [*dead, *passed.rejections, *ungraded],
            [
                StageTally("sample", n, len(drawn)),
                *passed.stages,
                StageTally("verify", len(passed.rows), len(graded)),
            ],
        )

    async def _grade(self, rows: Sequence[Completion]) -> tuple[list[Graded], list[Rejection]]:
        found = await asyncio.gather(*(verify(self._prompt, self._verifier, row) for row in rows))
        graded = [one for one in found if isinstance(one, Graded)]
        return graded, [one for one in found if isinstance(one, Rejection)]

    def result(self, drawer: Drawer, measured: Measured) -> RowResult:
        samples = measured.samples
        row, rejected, stages = self._outcome(drawer, measured)
        return RowResult(
            rows=[] if row is None else [row],
            rejections=[*samples.rejections, *([] if rejected is None else [rejected])],
            stages=[*samples.stages, *stages],
            drawn=samples.drawn,
        )

    def _outcome(
        self, drawer: Drawer, measured: Measured
    ) -> tuple[PassRate | None, Rejection | None, list[StageTally]]:
        usable, needed = len(measured.samples.graded), self._recipe.needed
        if usable < needed:
            reason = f"{usable} of {measured.asked} answers of {drawer.model.model} got a verdict, {needed} are needed"
            few = rejection(self._prompt.prompt_id, "usable", "too_few", reason, row=self._prompt)
            return None, few, [StageTally("usable", 1, 0)]
        row, keep = self._to_row(drawer, measured), self._recipe.bounds
        stages = [StageTally("usable", 1, 1)]
        if keep is None:
            return row, None, stages
        side = keep.side(Fraction(row.n_correct, row.n_samples))
        stages.append(StageTally("keep", 1, int(side == "kept")))
        if side == "kept":
            return row, None, stages
        reason = f"{row.n_correct} of {row.n_samples} correct, {self._recipe.keep} is kept"
        return None, rejection(row.prompt_id, "keep", side, reason, row=row), stages

    def _to_row(self, drawer: Drawer, measured: Measured) -> PassRate:
        samples, prompt = measured.samples, self._prompt
        n, correct = len(samples.graded), samples.correct
        low, high = INTERVALS[self._recipe.interval](correct, n, self._recipe.confidence)
        return PassRate(
            prompt_id=prompt.prompt_id,
            prompt=self._messages,
            ground_truth=prompt.ground_truth,
            verifier=self._verifier.name,
            n_samples=n,
            n_correct=correct,
            n_abstained=samples.lost("abstain"),
            pass_rate=correct / n,
            ci_low=low,
            ci_high=high,
            model=drawer.model.model,
            revision=drawer.model.revision,
            source=prompt.source,
            licence=prompt.licence,
            metadata=with_metadata(prompt, {FACTS: self._facts(measured)}),
        )

    def _facts(self, measured: Measured) -> dict[str, Any]:
        """pass@k is null where it cannot be unbiased: too few usable answers, or a draw that was stopped early."""
        samples, recipe = measured.samples, self._recipe
        n = len(samples.graded)
        known = [k for k in recipe.ks if n >= k and measured.stopped is None]
        at_k = {str(k): pass_at_k(samples.correct, n, k) if k in known else None for k in recipe.ks}
        return {
            "pass_at": at_k,
            "mean_score": sum(one.score for one in samples.graded) / n,
            "interval": recipe.interval,
            "confidence": recipe.confidence,
            "planned": measured.planned,
            "asked": measured.asked,
            "unusable": measured.asked - n,
            "stopped": measured.stopped,
        }
