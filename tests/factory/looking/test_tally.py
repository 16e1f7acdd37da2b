"""Bins and quantiles, beside numpy's."""

import numpy as np
import pytest

from factory.looking.tally import MOST_BINS, MOST_DISTINCT, Tally, round_edges


def tally_of(*parts):
    tally = Tally()
    for part in parts:
        tally.add(np.asarray(part))
    return tally


SAMPLES = {
    "lengths": lambda chance: chance.lognormal(6, 1, 5000).astype(np.int64),
    "rates": lambda chance: chance.integers(0, 9, 5000) / 8,
    "scores": lambda chance: np.round(chance.normal(0, 2, 5000), 2),
    "constant": lambda chance: np.full(500, 0.3),
    "tenths": lambda chance: chance.integers(0, 11, 5000) / 10,
    "negative": lambda chance: -chance.integers(1, 10**6, 5000),
    "tiny": lambda chance: chance.random(5000) * 1e-9,
}


@pytest.mark.parametrize("name", SAMPLES)
def test_exact_beside_numpy(name):
    values = SAMPLES[name](np.random.default_rng(0))
    found = tally_of(*np.array_split(values, 7)).numbers()
    assert found.is_exact
    assert (found.low, found.high) == (values.min(), values.max())
    assert found.mean == pytest.approx(values.mean())
    for share, told in ((0.5, found.median), (0.9, found.p90), (0.99, found.p99)):
        assert told == np.quantile(values, share, method="inverted_cdf")
    edges = [*(bin.low for bin in found.bins), found.bins[-1].high]
    assert [bin.rows for bin in found.bins] == np.histogram(values, edges)[0].tolist()
    assert sum(bin.rows for bin in found.bins) == len(values)
    assert len(found.bins) <= MOST_BINS + 1


def test_each_tenth_has_the_bin_that_begins_with_it():
    values = np.repeat(np.arange(11) / 10, 3)
    bins = {bin.low: bin.rows for bin in tally_of(values).numbers().bins}
    assert {low: rows for low, rows in bins.items() if rows} == {place / 10: 3 for place in range(11)}


def test_many_different_numbers_are_told_to_within_a_percent():
    values = np.random.default_rng(0).lognormal(0, 3, 5 * MOST_DISTINCT)
    tally = tally_of(*np.array_split(values, 9))
    found = tally.numbers()
    assert not found.is_exact
    assert tally.values.size < MOST_DISTINCT
    assert sum(bin.rows for bin in found.bins) == len(values)
    assert (found.low, found.high) == (values.min(), values.max())
    for share, told in ((0.5, found.median), (0.9, found.p90), (0.99, found.p99)):
        assert told == pytest.approx(np.quantile(values, share), rel=0.01)


def test_one_giant_does_not_flatten_the_rest():
    found = tally_of(np.append(np.arange(100), 2_000_000)).numbers()
    assert found.bins[-1].high == 2_000_000
    assert found.bins[-1].rows <= 2
    assert sum(bin.rows > 0 for bin in found.bins) > 20


def test_what_is_no_number_is_counted_apart():
    tally = tally_of([1.0, np.nan, np.inf, -np.inf])
    assert tally.not_finite == 3
    assert tally.numbers().high == 1.0
    assert tally_of([np.nan]).numbers() is None


@pytest.mark.parametrize("ends", [(-1.7e308, 1.7e308), (0, 5e-324), (1e16, 1e16 + 2), (-1e300, 1e-300), (0, 2**62)])
def test_extremes_have_bins(ends):
    found = tally_of(ends).numbers()
    assert sum(bin.rows for bin in found.bins) == 2
    assert np.isfinite([bin.low for bin in found.bins]).all()


def test_edges_are_round():
    assert round_edges(0, 10, True).tolist() == list(range(12))
    assert round_edges(0.0, 1.0, False).tolist()[:3] == [0.0, 0.05, 0.1]
