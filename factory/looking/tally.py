"""How often each number came, in one pass and in bounded memory; and from that bins and quantiles."""

from __future__ import annotations

import math
from typing import cast

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MOST_DISTINCT = 20_000  # numbers that are counted one by one; beyond that, numbers that agree to 8 bits are one
MANTISSA = 256.0
MOST_BINS = 40
SMALLEST, LARGEST = 1e-290, 1e300  # widths that are divided
FAR = (
    4.0  # how many times the width of all but the highest 1% the width of all may be, before that has a bin of its own
)


class Bin(msgspec.Struct, frozen=True):
    """Values from `low` to below `high`; the last bin holds `high`, too."""

    low: float
    high: float
    rows: int


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """`is_exact`: false where there are very many different numbers: bins and quantiles are then to within 0.8%.

    `median`, `p90`, `p99`: the smallest number that half (90%, 99%) of all are not above.
    """

    bins: list[Bin]
    low: float
    high: float
    mean: float
    median: float
    p90: float
    p99: float
    is_exact: bool = True


class Tally:
    """Numbers and how often each came. Those that are not finite are only counted."""

    def __init__(self) -> None:
        self.values: Floats = np.empty(0)
        self.counts: Ints = np.empty(0, np.int64)
        self.is_exact = True
        self.not_finite = 0
        self._sum = 0.0
        self._low, self._high = math.inf, -math.inf

    def add(self, numbers: npt.NDArray[np.generic]) -> None:
        found = numbers.astype(np.float64)
        finite = found[np.isfinite(found)]
        self.not_finite += found.size - finite.size
        if finite.size:
            self._sum += float(finite.sum())
            self._low, self._high = min(self._low, float(finite.min())), max(self._high, float(finite.max()))
            self._merge(finite if self.is_exact else _rounded(finite), np.ones(finite.size, np.int64))

    def numbers(self) -> Numbers | None:
        """None where there were none."""
        if not self.values.size:
            return None
        p99 = self._quantile(0.99)
        return Numbers(
            bins=self._bins(p99),
            low=self._low,
            high=self._high,
            mean=self._sum / int(self.counts.sum()),
            median=self._quantile(0.5),
            p90=self._quantile(0.9),
            p99=p99,
            is_exact=self.is_exact,
        )

    def _merge(self, values: Floats, counts: Ints) -> None:
        self.values, places = np.unique(np.concatenate([self.values, values]), return_inverse=True)
        weights = np.concatenate([self.counts, counts])
        self.counts = np.bincount(places, weights=weights).astype(np.int64)
        if self.is_exact and self.values.size > MOST_DISTINCT:
            self.is_exact = False
            rounded, counted = _rounded(self.values), self.counts
            self.values, self.counts = np.empty(0), np.empty(0, np.int64)
            self._merge(rounded, counted)

    def _quantile(self, share: float) -> float:
        up_to = np.cumsum(self.counts)
        wanted = math.ceil(share * int(up_to[-1]))
        return float(np.clip(self.values[np.searchsorted(up_to, wanted)], self._low, self._high))

    def _bins(self, p99: float) -> list[Bin]:
        edges = self._edges(p99)
        values = np.clip(self.values, edges[0], edges[-1])  # a rounded one may lie just outside
        places = np.minimum(np.searchsorted(edges, values, side="right") - 1, len(edges) - 2)
        rows = np.bincount(places, weights=self.counts, minlength=len(edges) - 1).astype(np.int64)
        ends = edges.tolist()
        return [Bin(low, high, n) for low, high, n in zip(ends[:-1], ends[1:], rows.tolist(), strict=True)]

    def _edges(self, p99: float) -> Floats:
        """Of equal width at round numbers; what lies far above the rest shares one bin."""
        is_whole = bool((self.values == np.floor(self.values)).all())
        is_far = self._high - self._low > FAR * (p99 - self._low) > 0
        edges = round_edges(self._low, p99 if is_far else self._high, is_whole)
        return np.append(edges, self._high) if is_far and self._high > edges[-1] else edges


def round_edges(low: float, high: float, is_whole: bool) -> Floats:
    """Edges at multiples of 1, 2 or 5 times a power of ten, around `low` to `high`: up to 40 bins."""
    width = high - low
    if width and not SMALLEST < width < LARGEST:
        return np.array([low, high])
    step = _step(width, is_whole)
    if max(abs(low), abs(high)) / step > 2**52:  # too close together for numbers so large
        return np.array([low, high])
    first, last = math.floor(_shortened(low / step)), math.floor(_shortened(high / step)) + 1
    return np.array([_shortened(place * step) for place in range(first, last + 1)])


def _step(width: float, is_whole: bool) -> float:
    """One that makes up to 38 bins of `width`, so that there is room where it begins between two edges."""
    if width <= 0:
        return 1.0
    least = width / (MOST_BINS - 2)
    if is_whole and least <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next((step for factor in (1, 2, 5) if (step := factor * power) >= least), 10 * power)


def _shortened(value: float) -> float:
    """Without the dust of binary fractions: 3 * 0.1 is 0.3."""
    return float(f"{value:.12g}")


def _rounded(values: Floats) -> Floats:
    """Down to 8 bits."""
    mantissa, exponent = np.frexp(values)
    return cast(Floats, np.ldexp(np.floor(mantissa * MANTISSA) / MANTISSA, exponent))
