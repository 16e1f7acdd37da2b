"""The ways in which an endpoint fails, each one a function that answers one request."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.factory.sampling.http.hostile_answers import error_body
from tests.factory.sampling.http.hostile_settings import HostileSettings

ABSURD_WAITS = (
    "-5",
    "nan",
    "inf",
    "86400",
    "soon",
    "Fri, 31 Dec 2199 23:59:59 GMT",
    "Mon, 01 Jan 1990 00:00:00 GMT",
    "",
)
CHUNK = b" " * 65536


class Faulty:
    """One request that is to fail. `body` is what it would have got; `luck` picks among variants."""

    def __init__(self, request: web.BaseRequest, settings: HostileSettings, body: bytes, luck: int) -> None:
        self.request = request
        self.settings = settings
        self.body = body
        self.luck = luck

    async def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> web.StreamResponse:
        response = web.Response(status=status, body=body, content_type="application/json", headers=headers)
        await response.prepare(self.request)
        await response.write_eof()
        return response


async def refuse(faulty: Faulty, headers: dict[str, str] | None = None) -> web.StreamResponse:
    return await faulty.send(429, error_body("too many requests", "rate_limit", "rate_limit_exceeded"), headers)


async def refuse_with_wait(faulty: Faulty) -> web.StreamResponse:
    return await refuse(faulty, {"Retry-After": f"{faulty.settings.wait_s:g}"})


async def refuse_absurdly(faulty: Faulty) -> web.StreamResponse:
    return await refuse(faulty, {"Retry-After": ABSURD_WAITS[faulty.luck % len(ABSURD_WAITS)]})


async def error_500(faulty: Faulty) -> web.StreamResponse:
    return await faulty.send(500, error_body("internal error", "server_error", 500))


async def error_502(faulty: Faulty) -> web.StreamResponse:
    return await faulty.send(502, b"<html><body>502 Bad Gateway</body></html>")


async def error_503(faulty: Faulty) -> web.StreamResponse:
    return await faulty.send(503, b"")


async def reset(faulty: Faulty) -> web.StreamResponse:
    transport = faulty.request.transport
    assert transport is not None
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with RST
    transport.abort()
    return web.Response()


async def hang(faulty: Faulty) -> web.StreamResponse:
    await asyncio.sleep(faulty.settings.hang_s)
    return web.Response()


async def trickle(faulty: Faulty) -> web.StreamResponse:
    response = await _begin(faulty, len(faulty.body))
    for place in range(len(faulty.body)):
        await response.write(faulty.body[place : place + 1])
        await asyncio.sleep(faulty.settings.trickle_s)
    return response


async def truncated_json(faulty: Faulty) -> web.StreamResponse:
    return await faulty.send(200, faulty.body[: len(faulty.body) // 2])


async def cut(faulty: Faulty) -> web.StreamResponse:
    response = await _begin(faulty, len(faulty.body))
    await response.write(faulty.body[: len(faulty.body) // 2])
    transport = faulty.request.transport
    assert transport is not None
    transport.close()
    return response


async def wrong_schema(faulty: Faulty) -> web.StreamResponse:
    variants = (b'{"choices": "none"}', b"[]", b'{"choices": [{"index": 0}]}', b'"ok"', b'{"result": "fine"}')
    return await faulty.send(200, variants[faulty.luck % len(variants)])


async def empty_choices(faulty: Faulty) -> web.StreamResponse:
    return await faulty.send(200, b'{"id": "x", "object": "chat.completion", "choices": [], "usage": null}')


async def huge(faulty: Faulty) -> web.StreamResponse:
    response = await _begin(faulty, None)
    for _ in range(faulty.settings.huge_bytes // len(CHUNK)):
        await response.write(CHUNK)
    await response.write(faulty.body)
    await response.write_eof()
    return response


async def _begin(faulty: Faulty, length: int | None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = length
    await response.prepare(faulty.request)
    return response


FAULT_HANDLERS: dict[str, Callable[[Faulty], Awaitable[web.StreamResponse]]] = {
    "429_wait": refuse_with_wait,
    "429": refuse,
    "429_absurd": refuse_absurdly,
    "500": error_500,
    "502": error_502,
    "503": error_503,
    "reset": reset,
    "hang": hang,
    "trickle": trickle,
    "truncated_json": truncated_json,
    "cut": cut,
    "wrong_schema": wrong_schema,
    "empty_choices": empty_choices,
    "huge": huge,
}
