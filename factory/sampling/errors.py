"""Why a model did not answer, divided by what to do next.

    SamplingError
    +-- CapacityError     429: wait, and lower the limit
    +-- TransientError    timeouts, resets, 5xx, broken answers: try again, leave the limit alone
    +-- RowError          this request can never succeed, or its deadline passed: a dead letter
    +-- RunError          no request can succeed: stop at once

Engines retry the first two themselves; only the last two leave `Sampler.sample`.
"""

from __future__ import annotations


class SamplingError(Exception):
    """A model did not answer. `kind` is short and countable ("http_400", "timeout")."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class CapacityError(SamplingError):
    """The endpoint refused for lack of capacity. `retry_after` is in seconds, if it said."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__("rate_limited", reason)
        self.retry_after = retry_after


class TransientError(SamplingError):
    """Worth trying again."""


class RowError(SamplingError):
    """Not worth trying again for this row."""


class RunError(SamplingError):
    """Not worth trying again for any row."""
