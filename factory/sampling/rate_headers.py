"""What response headers say about waiting: Retry-After and the x-ratelimit family."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

MAX_WAIT_S = 300.0  # a longer wait is not believed
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s|d)")
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class RetryAfter(msgspec.Struct, frozen=True):
    """Seconds to wait. `absurd` when the server named a wait that cannot be meant."""

    seconds: float | None = None
    absurd: bool = False


NO_RETRY_AFTER = RetryAfter()
ABSURD = RetryAfter(absurd=True)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> RetryAfter:
    """Read `retry-after-ms` and `Retry-After` (seconds or an HTTP date). `now` is for tests."""
    milliseconds = headers.get("retry-after-ms")
    if milliseconds is not None:
        value = _number(milliseconds)
        return _believed(None if value is None else value / 1000)
    text = headers.get("Retry-After")
    if text is None:
        return NO_RETRY_AFTER
    value = _number(text)
    return _believed(value if value is not None else _seconds_until(text, now or datetime.now(UTC)))


def hold_seconds(headers: Mapping[str, str]) -> float | None:
    """How long to start nothing new, because the requests or the tokens of this window are used up."""
    waits = (_exhausted(headers, "requests"), _exhausted(headers, "tokens"))
    return max(filter(None, waits), default=None) if any(waits) else None


def duration(text: str) -> float | None:
    """Seconds in "6m0s", "20ms", "1.5" or "1h2m3s"; None if it is none of these."""
    value = _number(text)
    if value is not None:
        return value
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _exhausted(headers: Mapping[str, str], unit: str) -> float | None:
    remaining = headers.get(f"x-ratelimit-remaining-{unit}")
    if remaining is None or _number(remaining) is None or float(remaining) > 0:
        return None
    # A limit of 0 is how some servers say "no limit".
    if _number(headers.get(f"x-ratelimit-limit-{unit}", "1")) == 0:
        return None
    wait = duration(headers.get(f"x-ratelimit-reset-{unit}", ""))
    return wait if wait is not None and 0 < wait <= MAX_WAIT_S else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _seconds_until(text: str, now: datetime) -> float | None:
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    # A date has whole seconds: one that has just passed means "now".
    seconds = (when - now).total_seconds()
    return 0.0 if -60.0 <= seconds < 0 else seconds


def _believed(seconds: float | None) -> RetryAfter:
    if seconds is None or not 0 <= seconds <= MAX_WAIT_S:
        return ABSURD
    return RetryAfter(seconds)
