"""One change of a vLLM server's weights: pause, send, compare, label, resume."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol

import msgspec

from factory.sampling.errors import RunError
from factory.sampling.weights.latest import Latest
from factory.sampling.weights.routes import DevRoutes


class Transfer(Protocol):
    """A way for weights into a server's workers. `server_flags`: what the server must be started with."""

    @property
    def server_flags(self) -> tuple[str, ...]: ...

    async def send(self, latest: Latest, routes: DevRoutes) -> list[dict[str, str]]:
        """For each worker, the checksums of what its model was told to load. Raises `ServerGone`, `RunError`."""
        ...


class PushSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`clear_cache`: what the old weights have read is forgotten; the rows in the making are read again with the new
    ones. `timeout_s` is for all but waiting for rows to end.
    """

    clear_cache: bool = True
    timeout_s: float = 120.0


async def push(
    latest: Latest, routes: DevRoutes, transfer: Transfer, settings: PushSettings, *, await_rows: bool
) -> float:
    """Returns the seconds for which no token was drawn. `await_rows`: the rows in the making end first.

    Raises:
        RunError: it did not finish in time ("vllm_timeout"), the server refused, or it loaded other numbers than were
            sent.
        ServerGone: the server died meanwhile.
    """
    clear = str(settings.clear_cache).lower()
    if await_rows:
        await routes.post("pause", mode="wait", clear_cache=clear)
    began = time.monotonic()
    try:
        async with asyncio.timeout(settings.timeout_s):
            if not await_rows:
                await routes.post("pause", mode="keep", clear_cache=clear)
            check_same(latest.checksums, await transfer.send(latest, routes))
            await routes.set_version(latest.version)
            await routes.post("resume")
    except TimeoutError:
        seconds = f"{settings.timeout_s:g} s (update_timeout_s)"
        reason = f"a vLLM server did not take the weights of version {latest.version} within {seconds}"
        raise RunError("vllm_timeout", f"{reason}; see its log") from None
    return time.monotonic() - began


def check_same(sent: Mapping[str, str], noted: list[dict[str, str]]) -> None:
    """Raises `RunError` where a worker was told to load anything else than what was sent."""
    for worker, loaded in enumerate(noted):
        wrong = sorted(name for name in sent.keys() | loaded.keys() if sent.get(name) != loaded.get(name))
        if wrong:
            name = wrong[0]
            example = f"{name} was {sent.get(name, 'not there')}, arrived as {loaded.get(name, 'nothing')}"
            reason = f"vLLM's worker {worker} got {len(wrong)} of {len(sent)} weights wrong: {example}"
            raise RunError("weights_differ", f"{reason}; start the run again from its last checkpoint")
    if not noted:
        raise RunError("weights_differ", "vLLM's workers did not say what they loaded; see the server's log")
