"""An OpenAI-compatible server that misbehaves on demand, and keeps books of what it was asked.

In a test:      async with HostileServer(HostileSettings(cap=32)) as server: ... server.base_url ... server.books
As a process:   python -m tests.factory.sampling.http.hostile_server --port 0 --set cap=32 --set fault_rate=0.3
                prints its port on the first line; GET /stats, GET /stats?keys=1, POST /settings while it runs
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import sys
import time
from types import TracebackType
from typing import Any

import msgspec
import uvloop
from aiohttp import web

from tests.factory.closing import close_runner
from tests.factory.sampling.http.hostile_answers import ChatIn, body_of, error_body
from tests.factory.sampling.http.hostile_books import Books, Visit
from tests.factory.sampling.http.hostile_faults import FAULT_HANDLERS, Faulty, refuse
from tests.factory.sampling.http.hostile_settings import HostileSettings
from tests.factory.sampling.http.hostile_speech import speak

_chat_decoder = msgspec.json.Decoder(ChatIn)


class HostileServer:
    """Serves on loopback from the running loop. `settings` may be replaced at any time."""

    def __init__(self, settings: HostileSettings | None = None, port: int = 0) -> None:
        self.settings = settings or HostileSettings()
        self.books = Books()
        self.pages: dict[str, bytes] = {}  # served as they are, whatever the settings
        self.port = port
        self._window = (0.0, 0)  # its end, requests in it
        self._runner = web.ServerRunner(
            web.Server(self._handle, handler_cancellation=True, access_log=None), shutdown_timeout=0.1
        )

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def changed(self, **change: Any) -> HostileSettings:
        return changed(self.settings, change)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=1024).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await close_runner(self._runner)

    async def __aenter__(self) -> HostileServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path in self.pages:
            return web.Response(body=self.pages[request.path], content_type="application/json")
        if request.path == "/v1/chat/completions":
            return await self._chat(request)
        return await self._page(request)

    async def _page(self, request: web.BaseRequest) -> web.Response:
        if request.path == "/v1/models":
            if (refusal := self._key_refusal(request)) is not None:
                return refusal
            owner = "vllm" if self.settings.vllm else "hostile"
            cards = [{"id": name, "object": "model", "owned_by": owner} for name in self.settings.models]
            return _json({"object": "list", "data": cards})
        if request.path == "/version" and self.settings.vllm:
            return _json({"version": "0.0.hostile"})
        if request.path == "/stats":
            return _json(self.books.report(with_keys="keys" in request.query))
        if request.path == "/settings" and request.method == "POST":
            change = msgspec.json.decode(await request.read(), type=dict[str, Any])
            self.settings = changed(self.settings, change)
            return _json({"settings": self.settings})
        return web.Response(status=404, body=error_body("no such page", "not_found", 404))

    async def _chat(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            chat = _chat_decoder.decode(await request.read())
        except msgspec.DecodeError as err:
            return _error(400, str(err), "invalid_request_error")
        visit = self.books.arrived(chat.key())
        try:
            if (refusal := self._refusal(request, chat)) is not None:
                return refusal
            if self._is_over_cap() or self._is_over_window():
                return await self._refuse(request, visit.key)
            return await self._answer(request, chat, visit)
        finally:
            visit.leave()

    def _refusal(self, request: web.BaseRequest, chat: ChatIn) -> web.Response | None:
        settings = self.settings
        if (refusal := self._key_refusal(request)) is not None:
            return refusal
        if settings.all_status is not None:
            return _error(settings.all_status, f"{settings.all_message} {self._echo(request)}", settings.all_code)
        if chat.model not in settings.models:
            return _error(404, f"The model `{chat.model}` does not exist.", "model_not_found")
        if any(settings.poison in turn.text for turn in chat.messages):
            self.books.count("poison")
            return _error(settings.poison_status, f"bad prompt {self._echo(request)}", "invalid_request_error")
        return None

    def _key_refusal(self, request: web.BaseRequest) -> web.Response | None:
        sent = request.headers.get("Authorization", "")
        if self.settings.key is None or sent == f"Bearer {self.settings.key}":
            return None
        return _error(401, f"Incorrect API key provided: {sent.removeprefix('Bearer ')}", "invalid_api_key")

    def _echo(self, request: web.BaseRequest) -> str:
        return request.headers.get("Authorization", "") if self.settings.echoes_headers else ""

    def _is_over_cap(self) -> bool:
        return self.settings.cap is not None and self.books.in_flight > self.settings.cap

    def _is_over_window(self) -> bool:
        if self.settings.window_requests is None:
            return False
        end, count = self._window
        now = time.monotonic()
        if now >= end:
            end, count = now + self.settings.window_s, 0
        self._window = (end, count + 1)
        return count + 1 > self.settings.window_requests

    def _window_headers(self) -> dict[str, str]:
        most = self.settings.window_requests
        if most is None:
            return {}
        end, count = self._window
        left = max(0, end - time.monotonic())
        return {
            "x-ratelimit-limit-requests": str(most),
            "x-ratelimit-remaining-requests": str(max(0, most - count)),
            "x-ratelimit-reset-requests": f"{left * 1000:.0f}ms",
        }

    async def _refuse(self, request: web.BaseRequest, key: str) -> web.StreamResponse:
        self.books.count("refused")
        headers = self._window_headers()
        if self.settings.cap_wait is not None:
            headers["Retry-After"] = self.settings.cap_wait
        self.books.told_to_wait(key, float(self.settings.cap_wait or 0))
        return await refuse(Faulty(request, self.settings, b"", 0), headers)

    async def _answer(self, request: web.BaseRequest, chat: ChatIn, visit: Visit) -> web.StreamResponse:
        settings, key = self.settings, visit.key
        luck = hashlib.blake2b(f"{settings.seed}:{key}:{visit.tries_before}".encode(), digest_size=24).digest()
        suffix = " " + request.headers.get("Authorization", "") if settings.echoes_key_in_answer else ""
        said = [speak(settings, chat, key, index) for index in range(chat.n)]
        body = body_of(chat, key, said, is_vllm=settings.vllm, suffix=suffix)
        if _share(luck[:8]) < settings.fault_rate:
            number = int.from_bytes(luck[8:16], "big")
            name = settings.faults[number % len(settings.faults)]
            self.books.count(name)
            if name == "429_wait":
                self.books.told_to_wait(key, settings.wait_s)
            return await FAULT_HANDLERS[name](Faulty(request, settings, body, number // len(settings.faults)))
        is_slow = _share(luck[16:]) < settings.slow_share
        await asyncio.sleep(settings.latency_s * (settings.slow_factor if is_slow else 1.0))
        response = web.Response(body=body, content_type="application/json", headers=self._window_headers())
        visit.leave()  # before the bytes go out: whoever reads them may send the next request
        await response.prepare(request)
        await response.write_eof()
        self.books.answered(key)
        return response


def changed(settings: HostileSettings, change: dict[str, Any]) -> HostileSettings:
    # Not strict: on a command line every value is a string.
    return msgspec.convert({**msgspec.to_builtins(settings), **change}, HostileSettings, strict=False)


def _share(eight_bytes: bytes) -> float:
    return int.from_bytes(eight_bytes, "big") / 2**64


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _error(status: int, message: str, code: str) -> web.Response:
    return web.Response(status=status, body=error_body(message, code, code), content_type="application/json")


def _value(text: str) -> Any:
    return msgspec.json.decode(text) if text.startswith(("[", '"')) else text


async def _serve(settings: HostileSettings, port: int) -> None:
    async with HostileServer(settings, port) as server:
        print(server.port, flush=True)
        await asyncio.Event().wait()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="see HostileSettings")
    args = parser.parse_args(argv)
    pairs = [item.partition("=") for item in args.set]
    settings = changed(HostileSettings(), {name: _value(value) for name, _, value in pairs})
    uvloop.run(_serve(settings, args.port))


if __name__ == "__main__":
    main(sys.argv[1:])
