"""What weights one vLLM server holds, and how it comes to hold the latest."""

from __future__ import annotations

import asyncio

from factory.sampling.vllm_server import VLLMServer
from factory.sampling.weights.latest import Policy
from factory.sampling.weights.push import PushSettings, Transfer, push
from factory.sampling.weights.routes import DevRoutes


class ServerWeights:
    """Of one replica, through all its deaths. Its methods raise as `push`."""

    def __init__(self, server: VLLMServer, policy: Policy, transfer: Transfer, settings: PushSettings) -> None:
        self._server = server
        self._policy = policy
        self._transfer = transfer
        self._settings = settings
        self._held = policy.first_version
        self._routes: DevRoutes
        self._lock = asyncio.Lock()

    def salt(self) -> str | None:
        """What keeps new requests from prompts that older weights have read, where those are not forgotten."""
        return None if self._settings.clear_cache else f"policy-{self._held}"

    async def restore(self) -> None:
        """Of a server that has just been started: before it takes requests, it holds the latest weights.

        More may have come while these were sent: on return, nothing is left to do.
        """
        self._routes = DevRoutes(self._server.port, self._server.secret)
        self._held = self._policy.first_version
        await self._routes.set_version(self._held)
        while self._held != self._policy.version:
            await self.update(await_rows=False)

    async def update(self, *, await_rows: bool) -> float:
        """Returns the seconds for which no token was drawn: 0 where there was nothing to do."""
        async with self._lock:
            latest = self._policy.latest
            if latest is None or latest.version == self._held:
                return 0.0
            paused_s = await push(latest, self._routes, self._transfer, self._settings, await_rows=await_rows)
            self._held = latest.version
            return paused_s
