from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from factory.sampling.rate_headers import ABSURD, NO_RETRY_AFTER, duration, hold_seconds, retry_after

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("1.5", 1.5),
        ("300", 300.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sunday, 22-Nov-26 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:59:59 GMT", 0.0),  # just passed: now
    ],
)
def test_a_wait_that_can_be_meant(text, seconds):
    assert retry_after({"Retry-After": text}, NOON).seconds == seconds


@pytest.mark.parametrize(
    "text",
    ["-1", "nan", "inf", "-inf", "301", "86400", "1e9", "soon", "", " ", "0x10", "Fri, 31 Dec 2199 23:59:59 GMT",
     "Sun, 22 Nov 2026 12:06:00 GMT", "Sun, 22 Nov 2026 11:00:00 GMT", "Sun, 99 Nov 2026 12:00:00 GMT"],
)  # fmt: skip
def test_a_wait_that_cannot_be_meant(text):
    assert retry_after({"Retry-After": text}, NOON) == ABSURD


def test_no_header_is_no_wait():
    assert retry_after({}) == NO_RETRY_AFTER
    assert not NO_RETRY_AFTER.absurd


def test_milliseconds_win_over_seconds():
    headers = CIMultiDict({"Retry-After-Ms": "250", "Retry-After": "9"})
    assert retry_after(headers).seconds == 0.25


@given(st.text(max_size=40))
def test_any_text_is_a_bounded_wait_or_none(text):
    wait = retry_after({"Retry-After": text}, NOON)
    assert wait.absurd == (wait.seconds is None)
    assert wait.seconds is None or 0 <= wait.seconds <= 300


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1s", 1.0),
        ("1h2m3.5s", 3723.5),
        ("1.25", 1.25),
        ("0s", 0.0),
        ("7m12.5s", 432.5),
    ],
)
def test_durations_as_openai_writes_them(text, seconds):
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "ms", "1s!", "-"])
def test_no_duration(text):
    assert duration(text) is None


def limits(unit: str, remaining: str, reset: str, limit: str = "60") -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{unit}": limit,
        f"x-ratelimit-remaining-{unit}": remaining,
        f"x-ratelimit-reset-{unit}": reset,
    }


def test_used_up_requests_or_tokens_hold_until_the_later_reset():
    assert hold_seconds(limits("requests", "0", "20ms")) == 0.02
    assert hold_seconds(limits("tokens", "0", "2s")) == 2.0
    assert hold_seconds(limits("requests", "0", "20ms") | limits("tokens", "0", "2s")) == 2.0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        limits("requests", "1", "1m"),
        limits("requests", "0", "6m0s"),  # longer than any wait that is believed
        limits("requests", "0", "junk"),
        limits("requests", "junk", "1s"),
        limits("requests", "0", "1s", limit="0"),  # no limit at all
        limits("requests", "-1", "-5"),
        limits("requests", "nan", "1s"),
        {"x-ratelimit-remaining-requests": "0"},
    ],
)
def test_otherwise_nothing_is_held(headers):
    assert hold_seconds(headers) is None
