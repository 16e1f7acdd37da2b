"""Which thread answers a call.

Threads that compute take the interpreter from one another every five milliseconds. With forty that need two each, all
come late, and the taking itself costs half as much again: at 200 calls a second a page took seconds instead of six
milliseconds.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, cast

from anyio import to_thread
from fastapi import Request, Response

from factory.service.state import service_of

LOOKING_THROUGH = frozenset({"where", "q", "sort"})  # fields of a query for which many rows may be read

P = ParamSpec("P")


def quickly(endpoint: Callable[P, Response]) -> Callable[P, Awaitable[Response]]:
    """For an endpoint with a `request` that answers in milliseconds: such calls share one thread and go in turn.

    Those that look through rows, and may take a second, get a thread of their own.
    """

    @functools.wraps(endpoint)
    async def answered(*args: P.args, **named: P.kwargs) -> Response:
        request = cast(Request, named["request"])
        limiter = None if request.query_params.keys() & LOOKING_THROUGH else service_of(request).in_turn
        return await to_thread.run_sync(functools.partial(endpoint, *args, **named), limiter=limiter)

    return answered
