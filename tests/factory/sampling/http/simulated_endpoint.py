"""An endpoint with a cap on requests in flight, and a client that obeys a limiter: both in virtual time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from factory.sampling.limiter import Limiter, Slot


@dataclass
class Outcome:
    """What happened, as (time, in seconds) of each event."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    most_in_flight: int = 0
    limits: list[tuple[float, int]] = field(default_factory=list)

    def throughput(self, start: float, stop: float) -> float:
        return sum(start <= t < stop for t in self.answered) / (stop - start)

    def refused_share(self, start: float, stop: float) -> float:
        refused = sum(start <= t < stop for t in self.refused)
        answered = sum(start <= t < stop for t in self.answered)
        return refused / max(1, refused + answered)


@dataclass
class Endpoint:
    """`cap(t)` requests are served at once, each in `latency(rng)` seconds; the others get a 429 with `wait`."""

    cap: Callable[[float], float]
    latency: Callable[[random.Random], float]
    wait: float | None = None
    round_trip_s: float = 0.002  # on the way there and back, on top of the latency
    per_second: float | None = None  # a bucket that holds the requests of one second
    noise: float = 0.0  # share of requests refused whatever is in flight
    seed: int = 0


def simulate(limiter: Limiter, endpoint: Endpoint, *, rows: int, until: float = 1e9, window: int = 10**9) -> Outcome:
    """Feed `rows` rows, at most `window` of them begun and not done, until all are done or the time is up."""
    return _Simulation(limiter, endpoint, rows, window).run(until)


class _Simulation:
    def __init__(self, limiter: Limiter, endpoint: Endpoint, rows: int, window: int) -> None:
        self.limiter = limiter
        self.endpoint = endpoint
        self.rng = random.Random(endpoint.seed)
        self.line = list(range(rows))  # a heap of row numbers: rows that come back go before newer ones
        self.window = window
        self.serving = 0
        self.bucket = (endpoint.per_second or 0.0, 0.0)  # what is in it, since when
        self.events: list[tuple[float, int, str, int, Slot | None]] = []
        self.n_events = 0
        self.outcome = Outcome()
        self.tries: dict[int, int] = {}

    def run(self, until: float) -> Outcome:
        now = 0.0
        self.admit(now)
        while self.events:
            now, _, what, row, slot = heapq.heappop(self.events)
            if now > until:
                break
            getattr(self, f"on_{what}")(now, row, slot)
            self.admit(now)
            self.outcome.limits.append((now, self.limiter.limit))
        return self.outcome

    def later(self, when: float, what: str, row: int, slot: Slot | None) -> None:
        self.n_events += 1
        heapq.heappush(self.events, (when, self.n_events, what, row, slot))

    def admit(self, now: float) -> None:
        while self.line:
            slot = self.limiter.start(now)
            if slot is None:
                opens_at = self.limiter.opens_at(now)
                if opens_at is not None:
                    self.later(opens_at, "open", -1, None)
                return
            self.outcome.most_in_flight = max(self.outcome.most_in_flight, self.limiter.in_flight)
            self.later(now + self.endpoint.round_trip_s / 2, "arrival", heapq.heappop(self.line), slot)

    def on_arrival(self, now: float, row: int, slot: Slot) -> None:
        if self.is_refused(now):
            self.later(now + self.endpoint.round_trip_s / 2, "refusal", row, slot)
            return
        self.serving += 1
        self.later(now + self.endpoint.latency(self.rng), "departure", row, slot)

    def is_refused(self, now: float) -> bool:
        if self.serving >= self.endpoint.cap(now) or self.rng.random() < self.endpoint.noise:
            return True
        if self.endpoint.per_second is None:
            return False
        filled, then = self.bucket
        filled = min(self.endpoint.per_second, filled + (now - then) * self.endpoint.per_second)
        self.bucket = (max(filled - 1, filled % 1), now)
        return filled < 1

    def on_departure(self, now: float, row: int, slot: Slot) -> None:
        self.serving -= 1
        self.later(now + self.endpoint.round_trip_s / 2, "answer", row, slot)

    def on_open(self, now: float, row: int, slot: Slot | None) -> None:
        """A hold has ended."""

    def on_answer(self, now: float, row: int, slot: Slot) -> None:
        self.limiter.answered(slot)
        self.outcome.answered.append(now)

    def on_refusal(self, now: float, row: int, slot: Slot) -> None:
        self.limiter.refused(slot, now, self.endpoint.wait)
        self.outcome.refused.append(now)
        tries = self.tries[row] = self.tries.get(row, 0) + 1
        backoff = self.rng.random() * min(30.0, 0.5 * 2 ** (tries - 3))
        wait = self.endpoint.wait
        self.later(now + (backoff if wait is None else wait + min(backoff, 0.5)), "back", row, None)

    def on_back(self, now: float, row: int, slot: Slot | None) -> None:
        heapq.heappush(self.line, row)
