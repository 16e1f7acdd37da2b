"""What the hostile server was asked and what it sent, by prompt and sample."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any


class Visit:
    """One request under way. `leave` may be called again: only the first time counts."""

    def __init__(self, books: Books, key: str, tries_before: int) -> None:
        self.key = key
        self.tries_before = tries_before
        self._books = books
        self._has_left = False

    def leave(self) -> None:
        if not self._has_left:
            self._has_left = True
            self._books.in_flight -= 1


class Books:
    """`answered` counts responses whose every byte was handed to the connection: what a client pays for."""

    def __init__(self) -> None:
        self.requests = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.answers = 0
        self.came_early = 0  # tries before the Retry-After that the same request was given
        self.counts: Counter[str] = Counter()
        self.requests_by_key: Counter[str] = Counter()
        self.answers_by_key: Counter[str] = Counter()
        self._not_before: dict[str, float] = {}

    def arrived(self, key: str) -> Visit:
        """Books one request."""
        tries_before = self.requests_by_key[key]
        self.requests_by_key[key] += 1
        self.requests += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if time.monotonic() < self._not_before.pop(key, 0.0):
            self.came_early += 1
        return Visit(self, key, tries_before)

    def answered(self, key: str) -> None:
        self.answers += 1
        self.answers_by_key[key] += 1

    def told_to_wait(self, key: str, seconds: float) -> None:
        self._not_before[key] = time.monotonic() + seconds

    def count(self, what: str) -> None:
        self.counts[what] += 1

    def report(self, *, with_keys: bool) -> dict[str, Any]:
        report: dict[str, Any] = {
            "requests": self.requests,
            "answered": self.answers,
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
            "came_early": self.came_early,
            "counts": dict(self.counts),
            "keys": len(self.requests_by_key),
            "keys_answered": len(self.answers_by_key),
            "answered_again": self.answers - len(self.answers_by_key),
        }
        if with_keys:
            report["requests_by_key"] = dict(self.requests_by_key)
            report["answers_by_key"] = dict(self.answers_by_key)
        return report
