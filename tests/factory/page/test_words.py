"""Numbers, sizes and times as they are read."""

import math

import pytest

from factory.page import words


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        *((0, "0"), (7, "7"), (0.314, "0.31"), (12.34, "12.3"), (999.4, "999"), (1234, "1.23k")),
        *((45_600_000, "45.6M"), (999_600, "1.00M"), (2.5e12, "2.50T"), (-1500, "-1.50k"), (None, words.NONE)),
    ],
)
def test_compact(value, wanted):
    assert words.compact(value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0, "0"), (1234567, "1,234,567"), (0.12345, "0.1235"), (1e-7, "1e-07"), (math.nan, "nan"), (math.inf, "inf")],
)
def test_numbers(value, wanted):
    assert words.number(value) == wanted


def test_large_numbers_are_short():
    assert (words.short(2_145_247_911), words.short(999_999), words.short(math.inf)) == ("2.15B", "999,999", "inf")


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (3661, "1 h 1 min"), (90061, "1 d 1 h")],
)
def test_durations_have_two_units(seconds, wanted):
    assert words.duration(seconds) == wanted


@pytest.mark.parametrize(
    ("before", "wanted"), [(0, "now"), (70, "1 min ago"), (-7200, "in 2 h"), (86400 * 3, "3 d ago"), (30, "30 s ago")]
)
def test_times_are_told_from_now(before, wanted):
    assert words.ago(1_000_000 - before, 1_000_000) == wanted


def test_money_and_sizes():
    assert [words.usd(value) for value in (0, 0.0123, 12.5, 1234, None)] == [
        *("$0.00", "$0.0123", "$12.50", "$1,234.00", words.NONE),
    ]
    assert [words.size(value) for value in (0, 1023, 1024, 150_000, 2**31)] == [
        *("0 B", "1023 B", "1.0 KiB", "146 KiB", "2.0 GiB"),
    ]
    assert [words.share(value) for value in (0, 1, 0.1234, 0.9999, 0.00001)] == ["0%", "100%", "12.3%", "100%", "0.0%"]
