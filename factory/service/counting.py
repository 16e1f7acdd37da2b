"""How many requests were answered, with what, and how fast."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Requests:
    """Changed by the event loop alone. `below`: requests by the first bound that their time is not above."""

    def __init__(self) -> None:
        self.answered: Counter[tuple[str, int]] = Counter()  # method, status
        self.below = [0] * (len(BOUNDS_S) + 1)
        self.seconds = 0.0

    def note(self, method: str, status: int, seconds: float) -> None:
        self.answered[method, status] += 1
        self.below[bisect_left(BOUNDS_S, seconds)] += 1
        self.seconds += seconds


class Counting:
    """ASGI middleware. The time is until the answer begins, so that a stream that stays open counts as one."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app, self._requests = app, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"

        async def counted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self._requests.note(method, message["status"], time.perf_counter() - begun)
            await send(message)

        await self._app(scope, receive, counted)
