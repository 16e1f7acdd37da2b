"""What the grades of many answers come to: accuracies, their gap, pass@k, lengths, and what has no verdict.

An abstention, a verifier that broke and an answer that never came are counted, each apart, and are no part of any
share: none of them is a zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from judges.agreement.bootstrap import Resampling, Units, figure, ratio
from judges.estimates import pass_at_k
from judges.flex import has_two_forms
from trainer.evaluate.intervals import Floats, mean_interval, share_interval

Range = tuple[float, float] | None  # 95%; null where these answers do not tell
RESAMPLES = 1000
FINISHED, CUT = "stop", "length"


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One answer and what became of it. Without an answer, `tokens` and `finish` are null and `unanswered` says why."""

    strict: bool | None = None
    flex: bool | None = None
    verdict: str | None = None  # null where there is none to give: `error` or `unanswered` says why
    reason: str = ""
    error: str | None = None  # of the verifier: its kind
    unanswered: str | None = None  # of the model: its kind
    tokens: int | None = None
    finish: str | None = None


class Graded(msgspec.Struct, frozen=True):
    """A prompt's answers, in order."""

    prompt_id: str
    verifier: str
    samples: Sequence[Sample]

    def values(self, form: str) -> list[bool]:
        """The verdicts of the form `strict` or `flex`, where there are any."""
        return [value for sample in self.samples if (value := getattr(sample, form)) is not None]


class PassAtK(msgspec.Struct, frozen=True):
    """`prompts`: those with at least k answers that have a verdict; the mean is over them."""

    value: float | None
    interval: Range
    prompts: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Of all prompts, or of those of one verifier. Intervals are at 95% and treat a prompt's answers as one cluster.

    `accuracy_flex` and `gap` (flex - strict) are null where no verifier has a second form. Over several verifiers,
    those with one form count in both.
    """

    prompts: int
    answers: int  # that came
    graded: int  # that have a strict verdict
    abstained: int
    errors: dict[str, int]  # of verifiers, by kind
    unanswered: dict[str, int]  # requests without an answer, by kind
    accuracy: float | None
    accuracy_interval: Range
    accuracy_flex: float | None
    accuracy_flex_interval: Range
    gap: float | None
    gap_interval: Range
    pass_at_k: dict[str, PassAtK]
    mean_tokens: float | None
    mean_tokens_interval: Range
    finished: float | None  # share of answers that came to their end
    cut: float | None  # by length
    finish: dict[str, int]


def figures(rows: Sequence[Graded], ks: Sequence[int], seed: int) -> Figures:
    """`seed`: of the bootstrap of pass@k."""
    samples = [sample for row in rows for sample in row.samples]
    came = [sample for sample in samples if sample.finish is not None]
    finish = Counter(sample.finish for sample in came if sample.finish is not None)
    strict, flex = _Means([row.values("strict") for row in rows]), _Means([row.values("flex") for row in rows])
    gap = _Means([_differences(row) for row in rows])
    tokens = _Means([[sample.tokens for sample in row.samples if sample.tokens is not None] for row in rows])
    two_forms = any(has_two_forms(row.verifier) for row in rows)
    return Figures(
        prompts=len(rows),
        answers=len(came),
        graded=strict.answers,
        abstained=sum(sample.verdict == "abstain" for sample in samples),
        errors=_counted(sample.error for sample in samples),
        unanswered=_counted(sample.unanswered for sample in samples),
        accuracy=strict.mean,
        accuracy_interval=strict.share_interval(),
        accuracy_flex=flex.mean if two_forms else None,
        accuracy_flex_interval=flex.share_interval() if two_forms else None,
        gap=gap.mean if two_forms else None,
        gap_interval=gap.mean_interval() if two_forms else None,
        pass_at_k={str(k): _pass_at(rows, k, seed) for k in ks},
        mean_tokens=tokens.mean,
        mean_tokens_interval=tokens.mean_interval(),
        finished=_share(finish[FINISHED], len(came)),
        cut=_share(finish[CUT], len(came)),
        finish=dict(sorted(finish.items())),
    )


class _Means:
    """Values in clusters, one a prompt. Prompts without a value tell nothing, and are left out."""

    def __init__(self, values: Sequence[Sequence[float]]) -> None:
        some = [group for group in values if group]
        self._sums_G: Floats = np.array([float(sum(group)) for group in some])
        self._counts_G: Floats = np.array([float(len(group)) for group in some])

    @property
    def answers(self) -> int:
        return int(self._counts_G.sum())

    @property
    def mean(self) -> float | None:
        return float(self._sums_G.sum() / self._counts_G.sum()) if self.answers else None

    def share_interval(self) -> Range:
        return _plain(share_interval(self._sums_G, self._counts_G))

    def mean_interval(self) -> Range:
        return _plain(mean_interval(self._sums_G, self._counts_G))


def _plain(interval: tuple[float, float] | None) -> Range:
    return None if interval is None else (interval[0], interval[1])


def _differences(row: Graded) -> list[int]:
    """Flex - strict of each answer that has both."""
    pairs = [(sample.flex, sample.strict) for sample in row.samples]
    return [int(flex) - int(strict) for flex, strict in pairs if flex is not None and strict is not None]


def _pass_at(rows: Sequence[Graded], k: int, seed: int) -> PassAtK:
    verdicts = [found for row in rows if len(found := row.values("strict")) >= k]
    chances = np.array([pass_at_k(sum(found), len(found), k) for found in verdicts])
    mean = ratio(chances, np.ones(len(chances)), f"no prompt has {k} graded answers")
    units = Units(prompt=np.arange(len(chances)), of="prompts")
    drawn = figure(mean, units, Resampling(resamples=RESAMPLES, seed=seed))
    interval = None if drawn.low is None or drawn.high is None else (drawn.low, drawn.high)
    return PassAtK(drawn.value, interval, len(chances))


def _counted(kinds: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(kind for kind in kinds if kind is not None).items()))


def _share(count: int, of: int) -> float | None:
    return count / of if of else None
