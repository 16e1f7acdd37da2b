"""vLLM's routes for development, on our own server's loopback address: pause, resume, weights, calls of its workers."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import msgspec

from factory.sampling.errors import RunError, TransientError
from factory.sampling.vllm_server import SECRET_HEADER

LARGEST_ERROR = 600  # characters of it in a message


class ServerGone(TransientError):
    """The connection broke: the server is dead or dying, and will be started again."""


class DevRoutes:
    """The time that a call may take is the caller's to bound."""

    def __init__(self, port: int, secret: str) -> None:
        self._root = f"http://127.0.0.1:{port}"
        self._headers = {SECRET_HEADER: secret}

    async def post(self, path: str, body: dict[str, Any] | None = None, **query: str) -> Any:  # noqa: ANN401 - JSON
        """The answer's JSON.

        Raises:
            ServerGone: no answer came.
            RunError: the server refuses, or fails.
        """
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout, headers=self._headers, trust_env=False) as session:
            try:
                async with session.post(f"{self._root}/{path}", json=body or {}, params=query) as answer:
                    text = await answer.text()
                    status = answer.status
            except (aiohttp.ClientError, OSError) as err:
                raise ServerGone("server_gone", f"/{path}: {type(err).__name__}") from err
        if status != 200:
            raise RunError("vllm_update", f"vLLM answered {status} to /{path}: {text[:LARGEST_ERROR]}")
        return msgspec.json.decode(text) if text else None

    async def call(self, method: str, told: dict[str, Any] | None = None) -> list[Any]:
        """What each worker of the server returns. Raises as `post`."""
        words = [] if told is None else [json.dumps(told)]
        answer = await self.post("collective_rpc", {"method": method, "args": words})
        results: list[Any] = answer["results"]
        return results

    async def set_version(self, version: int) -> None:
        """What the tokens that are drawn from now on are labelled with."""
        await self.post("update_weight_version", {"new_version": str(version)})
