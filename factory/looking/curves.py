"""Curves of what a run measured: smoothed, thinned, and put into panels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Literal

import msgspec

from factory.looking.metrics_file import MetricsFile, Series

HALVES = 60  # a value so small a part of the run back weighs half of the newest
FEW = 40  # values that are not smoothed
EVAL = re.compile(r"eval/([^/]+)/(.+)")
ERROR = "_error"  # of the name of a metric's standard error
MOST_HISTOGRAMS = 60  # steps of one histogram
# Of the counts of ratios in 25 bins: below 1/4, then equal widths on a scale of logarithms, then above 4.
RATIO_EDGES: list[float | None] = [None, *(4.0 ** (2 * place / 23 - 1) for place in range(24)), None]
# Title, unit, and the metrics of each panel, in order; a metric is in the first that its name matches whole.
PANELS: tuple[tuple[str, str, str], ...] = (
    ("Reward", "reward", r"reward"),
    ("Reward by judge", "score", r"reward/(?!std$|penalty_).+"),
    ("Taken by penalties", "reward", r"reward/penalty_.+"),
    ("Spread of rewards", "standard deviation", r"reward/std"),
    ("Correct answers", "share", r"correct/.+"),
    ("Loss", "loss", r"loss"),
    ("Terms of the loss", "loss", r"loss/.+"),
    ("Implicit rewards", "reward", r"rewards/(chosen|rejected|margins)"),
    ("Pairs in the right order", "share", r"rewards/accuracies"),
    ("Log-probs of answers", "nats/answer", r"logps/.+"),
    ("Log-ratio to the reference", "nats/answer", r"logratio/.+"),
    ("KL to the reference, watched", "nats/answer", r"kl"),
    ("KL to the reference", "nats/token", r"reference/.+"),
    ("KL of an update", "nats/token", r"policy/kl_.+"),
    ("Tokens held back by the clip", "share", r"policy/clipped_.+"),
    ("Ratio of an update", "ratio", r"policy/ratio"),
    ("Entropy", "nats/token", r"entropy|rollouts/sampler_entropy"),
    ("Length of rollouts", "tokens", r"rollouts/tokens.*"),
    ("Length of answers", "tokens", r"tokens/.+"),
    ("Rollouts that came to an end", "share", r"rollouts/ended"),
    ("Repeated n-grams", "share", r"rollouts/repetition"),
    ("Rollouts without a reward", "share", r"rollouts/unrewarded"),
    ("Age of rollouts", "batches", r"rollouts/age"),
    ("Groups without a gradient", "share", r"groups/no_gradient"),
    ("Groups of a batch", "groups", r"groups/.+"),
    ("Sampler against trainer", "nats/token", r"sampler/(logprob_gap|kl_k3)"),
    ("Sampler against trainer, gap", "probability", r"sampler/prob_gap"),
    ("Importance weight", "weight", r"sampler/importance"),
    ("Tokens that the weight's bounds hold", "share", r"sampler/(capped|masked)"),
    ("Value", "reward", r"value/(mean|return)"),
    ("Gradient norm", "norm", r"(value/)?grad_norm"),
    ("Learning rate", "learning rate", r"lr"),
    ("Questions to judges", "requests", r"judge/.+/requests"),
    ("Tokens of judges", "tokens", r"judge/.+_tokens"),
    ("Answers without a verdict", "share", r"judge/.+/(failed|abstained)"),
    ("Cost of judges", "US dollars", r"judge/.+/usd"),
    ("Tokens of a step", "tokens", r"tokens|trained_tokens"),
    ("Rows of a step", "rows", r"rows"),
    ("Speed", "tokens/s", r"(learn_)?tokens_per_s"),
    ("Time of a step", "seconds", r"(.+_)?seconds"),
    ("Model FLOPs utilisation", "share of the peak", r"mfu"),
    ("Memory, peak", "GiB", r"(host|gpu)_gib"),
)
_MATCHERS = [(title, unit, re.compile(pattern)) for title, unit, pattern in PANELS]


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """One metric over the steps, thinned. `smooth`: an exponentially weighted mean, taken before thinning."""

    name: str
    kind: Literal["train", "eval"]
    steps: list[int]
    values: list[float]
    smooth: list[float]
    errors: list[float] = []  # standard errors, where the run measured them
    points: int  # before thinning


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics that belong into one picture."""

    title: str
    unit: str
    curves: list[Curve]


class HistogramLine(msgspec.Struct, frozen=True, kw_only=True):
    """Counts in the bins between `edges` at some steps. The outermost edges are None: without an end."""

    name: str
    edges: list[float | None]
    steps: list[int]
    counts: list[list[int]]


def panels_of(metrics: MetricsFile, points: int) -> list[Panel]:
    """In the order of the table; metrics that it does not know come last, each by itself."""
    series = dict(metrics.series)
    errors = {
        name: series.pop(name) for name in [*series] if name.endswith(ERROR) and name.removesuffix(ERROR) in series
    }
    found: dict[tuple[str, str], list[Curve]] = {}
    for name in _worth_showing(series):
        curve = _curve(name, series[name], errors.get(name + ERROR), points)
        found.setdefault(_place(name), []).append(curve)
    order = {(title, unit): place for place, (title, unit, _) in enumerate(PANELS)}
    places = sorted(found, key=lambda place: (order.get(place, len(order)), place))
    return [Panel(title=title, unit=unit, curves=sorted(found[title, unit], key=_is_eval)) for title, unit in places]


def histograms_of(metrics: MetricsFile) -> list[HistogramLine]:
    """Those of ratios, whose bins are known."""
    lines = []
    for name, found in sorted(metrics.histograms.items()):
        fitting = [one for one in found if len(one[1]) == len(RATIO_EDGES) - 1]
        chosen = [fitting[place] for place in _spread(len(fitting), MOST_HISTOGRAMS)]
        steps, counts = [step for step, _ in chosen], [row for _, row in chosen]
        lines.append(HistogramLine(name=name, edges=RATIO_EDGES, steps=steps, counts=counts))
    return [line for line in lines if line.steps]


def smoothed(values: Sequence[float]) -> list[float]:
    """The exponentially weighted mean of the values so far, at each of them. Few are left as they are."""
    if len(values) < FEW:
        return list(values)
    keep = 0.5 ** (HALVES / len(values))
    sums = accumulate(values, lambda total, value: total * keep + value)
    weights = accumulate(values, lambda total, _: total * keep + 1.0, initial=0.0)
    next(weights)
    return [total / weight for total, weight in zip(sums, weights, strict=True)]


def thinned(values: Sequence[float], points: int) -> list[int]:
    """The places of up to `points` values: of each stretch the lowest and the highest, and both ends."""
    if len(values) <= points:
        return list(range(len(values)))
    places = {0, len(values) - 1}
    stretches = max(1, points // 2 - 1)
    for stretch in range(stretches):
        span = range(len(values) * stretch // stretches, len(values) * (stretch + 1) // stretches)
        places |= {min(span, key=values.__getitem__), max(span, key=values.__getitem__)}
    return sorted(places)


def _curve(name: str, series: Series, errors: Series | None, points: int) -> Curve:
    steps, values = series.steps[: len(series.values)], series.values
    smooth, places = smoothed(values), thinned(values, points)
    at_step: Mapping[int, float] = {} if errors is None else dict(zip(errors.steps, errors.values, strict=False))
    return Curve(
        name=name,
        kind="eval" if name.startswith("eval/") else "train",
        steps=[steps[place] for place in places],
        values=[values[place] for place in places],
        smooth=[smooth[place] for place in places],
        errors=[at_step.get(steps[place], 0.0) for place in places] if at_step else [],
        points=len(values),
    )


def _is_eval(curve: Curve) -> bool:
    return curve.kind == "eval"


def _worth_showing(series: Mapping[str, Series]) -> list[str]:
    """The only term of a loss is the loss."""
    terms = [name for name in series if name.startswith("loss/")]
    return [name for name in series if not (len(terms) == 1 and name in terms and "loss" in series)]


def _place(name: str) -> tuple[str, str]:
    """The panel of a metric; an evaluation's stands with the training's own."""
    held_out = EVAL.fullmatch(name)
    plain = held_out[2] if held_out else name
    found = next(((title, unit) for title, unit, pattern in _MATCHERS if pattern.fullmatch(plain)), None)
    return found or (plain, "value")


def _spread(count: int, most: int) -> list[int]:
    """Places from the first to the last, equally far apart."""
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]
