"""What a job is, and which states it goes through.

queued -> running -> done | failed        running -> pausing -> paused -> queued (resumed)
queued, paused -> cancelled               running, pausing -> cancelling -> cancelled
failed, cancelled -> queued (tried again) running -> queued (its process was killed: every command goes on)
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

State = Literal["queued", "running", "pausing", "paused", "cancelling", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
QUEUED: tuple[State, ...] = ("queued",)
ACTIVE: tuple[State, ...] = ("running", "pausing", "cancelling")  # a process is, or was a moment ago, at work on it
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_TIME_DIGITS = 9  # of milliseconds: enough for a thousand years
_RANDOM_DIGITS = 2


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to have run."""

    command: Sequence[str]  # begins with "factory" or "trainer"
    title: str = ""
    source: str = "cli"  # "cli", "api" or "schedule:ID"
    max_cost_usd: float | None = None  # becomes the command's --max-cost
    key: str | None = None  # one job for one key, however often it is submitted
    slot: str | None = None  # of a schedule: which of its times this is
    folder: str | None = None  # where relative paths of the command begin; None: where the runner was started


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table `job`. Times are UTC, in seconds since 1970."""

    id: str
    title: str
    command: list[str]
    state: State
    source: str
    created: float
    started: float | None = None  # of the last attempt
    ended: float | None = None
    attempts: int = 0  # how often it was started
    lost: int = 0  # attempts in a row that were killed soon after they began
    exit_code: int | None = None  # of the last attempt; negative: ended by that signal
    error: str | None = None  # what it said last, where it failed
    pid: int | None = None  # of the process that watches over the command; None: not started yet
    owner: str | None = None  # the runner that claimed it
    lease: float | None = None  # until when the owner may take to start it
    max_cost_usd: float | None = None
    spent_usd: float | None = None  # by all attempts, where the command tells
    out: str | None = None  # the dataset or checkpoint that it makes, as the command names it
    made: str | None = None  # NAME@vN or a checkpoint, once it is done
    key: str | None = None
    slot: str | None = None
    folder: str | None = None

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


def new_id(now: float | None = None) -> str:
    """Eleven characters that sort by time."""
    number = int((time.time() if now is None else now) * 1000)
    digits = []
    for _ in range(_TIME_DIGITS):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)) + "".join(secrets.choice(_DIGITS) for _ in range(_RANDOM_DIGITS))
