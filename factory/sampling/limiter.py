"""How many requests may be in flight at one endpoint: a pure state machine. Time is passed in; it owns no task.

It starts by growing with each answer (doubling every round trip) until the endpoint refuses. Only a 429 lowers the
limit, and once for all requests that were under way when it was lowered. How far depends on what the refusal says:

- It came alone: chance, or a probe that went too far by one. Nothing changes unless refusals follow.
- More were in flight than were answered since the limit last fell: the endpoint takes no more than that, and the limit
  goes just below. From there it probes: after some round trips one request more, and if that holds for a round trip
  then three times as many more. Refused again at the same height, it waits longer before the next probe.
- As many were answered before: the endpoint takes less than it did, and the limit goes down by a tenth.
- Start after start is refused and nothing is answered: down by a quarter each time, and Retry-After is for all.
- Nothing else was in flight: requests a second are limited, not requests at once. All wait.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import NamedTuple

FIRST_PATIENCE = 2  # round trips before the first probe
LAST_PATIENCE = 6
STEP_GROWTH = 3  # of a probe, after one that held for a round trip
LEAST_ANSWERS_TO_PROBE = 128  # at LAST_PATIENCE: keeps probes under 2% of requests however low the limit is
SHRINK_A_LITTLE = 0.9
SHRINK_A_LOT = 0.75
STRIKES = 2  # times that the limit falls without an answer before it falls a lot
NEXT = 2  # starts from one refusal to another that follows at once
# A refusal is alone after more starts, since the one before it, than the limit divided by this.
ALONE_ABOVE = 2  # what was answered
ALONE_WITHIN = 8
CHANCE_SHARE = 0.1  # refusals for one answer that may be chance
CHANCE_BURST = 3.0  # as many of them at once
FIRST_HOLD_S = 0.1  # pause when even one request is refused; doubles, at most LAST_HOLD_S
LAST_HOLD_S = 10.0
REMEMBERED = 256  # refusals


class Slot(NamedTuple):
    """Leave to have one request in flight. `level` counts the requests in flight with it."""

    epoch: int
    level: int
    number: int  # of the start
    n_refused: int  # refusals that had come back by then


class Limiter:
    """The limit of one endpoint and model. Every slot that `start` gives goes back through exactly one other method."""

    def __init__(self, most: int, first: int) -> None:
        self.most = max(1, most)
        self.limit = max(1, min(first, most))
        self.in_flight = 0
        self._epoch = 0  # grows when the limit falls: requests of an older epoch were already answered for
        self._proven = 0  # the highest level that was answered in this epoch
        self._strikes = 0  # times that the limit fell since the last answer in its epoch
        self._n_starts = 0
        self._n_refused = 0
        self._refused: deque[int] = deque(maxlen=REMEMBERED)  # numbers of the starts that were refused
        self._chance = CHANCE_BURST  # refusals that may still be chance
        self._slow_start = True
        self._answers = 0  # with all of the limit in use, since it last changed
        self._step = 1  # of the next probe
        self._patience = FIRST_PATIENCE
        self._refused_at = 0  # the limit after the last refusal
        self._floor = 1  # how far the refusals of one burst may lower the limit
        self._holds = 0  # in a row
        self._held_until = 0.0

    def start(self, now: float) -> Slot | None:
        """A slot, or None if one more may not start now."""
        if self.in_flight >= self.limit or now < self._held_until:
            return None
        self.in_flight += 1
        self._n_starts += 1
        return Slot(self._epoch, self.in_flight, self._n_starts, self._n_refused)

    def opens_at(self, now: float) -> float | None:
        """When time alone will let a request start; None if it takes the end of another one."""
        return self._held_until if now < self._held_until else None

    def hold(self, until: float) -> None:
        """Start nothing before `until`."""
        self._held_until = max(self._held_until, until)

    def answered(self, slot: Slot) -> None:
        is_full = self.in_flight >= self.limit
        self.in_flight -= 1
        self._chance = min(CHANCE_BURST, self._chance + CHANCE_SHARE)
        if slot.epoch == self._epoch:
            self._strikes = self._holds = 0
            self._proven = max(self._proven, self._served_level(slot))
        if is_full and self.limit < self.most:
            self._grow()

    def refused(self, slot: Slot, now: float, wait: float | None = None) -> None:
        """A 429. `wait` is what its Retry-After said, in seconds."""
        self.in_flight -= 1
        level = self._served_level(slot)
        is_above = level > self._proven
        is_chance = self._is_chance(slot, is_above)
        is_next = bool(self._refused) and slot.number - self._refused[-1] <= NEXT
        self._n_refused += 1
        self._refused.append(slot.number)
        if level == 1:  # it was alone: this is about requests a second, not about requests at once
            self._pause(now, wait)
        if slot.epoch < self._epoch:
            self._lower_to(level - 1)
        elif is_chance:
            self._chance -= 1
        elif self._strikes >= STRIKES and is_next:
            self._give_way(now, wait)
        elif is_above:
            self._settle_below(level)
        else:
            self._fall(SHRINK_A_LITTLE)

    def failed(self, slot: Slot) -> None:
        """Anything else that ended the request: it says nothing about capacity."""
        self.in_flight -= 1

    def _grow(self) -> None:
        self._answers += 1
        if self._slow_start:
            self.limit += 1
        elif self._answers >= self._answers_to_probe():
            self.limit = min(self.most, self.limit + self._step)
            self._step *= STEP_GROWTH
            self._answers = 0

    def _answers_to_probe(self) -> int:
        if self._step > 1:  # the last probe held
            return self.limit
        needed = self._patience * self.limit
        return max(needed, LEAST_ANSWERS_TO_PROBE) if self._patience == LAST_PATIENCE else needed

    def _settle_below(self, level: int) -> None:
        self._floor = max(1, self.limit // 2)
        self._begin_epoch()
        self._lower_to(level - 1)
        is_same_height = abs(self.limit - self._refused_at) <= 1
        self._patience = min(LAST_PATIENCE, self._patience * 2) if is_same_height else FIRST_PATIENCE
        self._refused_at = self.limit

    def _served_level(self, slot: Slot) -> int:
        """How many the endpoint had under way: less than `level` by those whose refusal was still on its way back."""
        n_since = min(self._n_refused - slot.n_refused, len(self._refused))
        if n_since == 0:
            return slot.level
        since = islice(reversed(self._refused), n_since)
        return max(1, slot.level - sum(number < slot.number for number in since))

    def _is_chance(self, slot: Slot, is_above: bool) -> bool:
        """Whether this refusal came alone. The first one of all did not: it ends the growth."""
        if self._chance < 1 or not self._refused:
            return False
        divisor = ALONE_ABOVE if is_above else ALONE_WITHIN
        return slot.number - self._refused[-1] > max(1, self.limit // divisor)

    def _give_way(self, now: float, wait: float | None) -> None:
        if wait is not None:
            self.hold(now + wait)
        self._fall(SHRINK_A_LOT)

    def _pause(self, now: float, wait: float | None) -> None:
        self.hold(now + (min(LAST_HOLD_S, FIRST_HOLD_S * 2**self._holds) if wait is None else wait))
        self._holds = min(self._holds + 1, 16)

    def _fall(self, factor: float) -> None:
        self._begin_epoch()
        self.limit = self._floor = max(1, int(self.limit * factor))
        self._patience = FIRST_PATIENCE

    def _begin_epoch(self) -> None:
        self._epoch += 1
        self._strikes += 1
        self._proven = 0
        self._chance = CHANCE_BURST
        self._slow_start = False
        self._step = 1
        self._answers = 0

    def _lower_to(self, level: int) -> None:
        self.limit = max(self._floor, min(self.limit, level))
