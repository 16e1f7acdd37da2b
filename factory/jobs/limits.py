"""How much may run at once, and what it may cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from factory.jobs.job import Job


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Of all runners of a workspace together, since they count the same jobs.

    Args:
        max_running_of: for commands that begin with these words, for example {"trainer": 1, "factory build": 4}.
        max_cost_usd_per_day: of all jobs since midnight UTC. What the cap of a running job leaves it is counted, too.
        cancel_grace_s: from SIGTERM to SIGKILL.
        max_lost: how often in a row a job may be killed soon after it began, before it counts as failed.
    """

    max_running: int = 2
    max_running_of: Mapping[str, int] = {}
    max_cost_usd_per_day: float | None = None
    cancel_grace_s: float = 15.0
    max_lost: int = 5


class Spending(msgspec.Struct, frozen=True):
    """US dollars, where known: of all jobs since midnight UTC, and of each job since it was submitted."""

    today: float = 0.0
    by_job: Mapping[str, float] = {}


def has_room(job: Job, active: Sequence[Job], limits: Limits, spending: Spending) -> bool:
    """Whether `job` may start beside those that are active."""
    if len(active) >= limits.max_running:
        return False
    for words, most in limits.max_running_of.items():
        if _begins_with(job, words) and sum(_begins_with(other, words) for other in active) >= most:
            return False
    return _can_be_paid(job, active, limits.max_cost_usd_per_day, spending)


def _can_be_paid(job: Job, active: Sequence[Job], limit: float | None, spending: Spending) -> bool:
    if limit is None:
        return True
    promised = sum(_left(one, spending) for one in (*active, job))
    return spending.today < limit and spending.today + promised <= limit


def _left(job: Job, spending: Spending) -> float:
    """What the job may still spend; 0 where it has no cap."""
    if job.max_cost_usd is None:
        return 0.0
    return max(0.0, job.max_cost_usd - spending.by_job.get(job.id, 0.0))


def _begins_with(job: Job, words: str) -> bool:
    wanted = words.split()
    return job.command[: len(wanted)] == wanted
