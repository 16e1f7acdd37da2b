"""The wire itself: sizes, encodings, connections."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from factory.sampling.endpoint import EndpointSettings
from factory.sampling.errors import TransientError
from factory.sampling.http_client import HttpClient, Reply

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking_to(script: Script, **settings) -> AsyncIterator[HttpClient]:
    """A client and a server that runs `script` for each connection."""
    tasks = []

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        try:
            await script(reader, writer)
        finally:
            writer.transport.abort() if tasks[-1].cancelling() else writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", 0)
    root = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    client = HttpClient(EndpointSettings(base_url=str(root), **settings), root, "k" * 20)
    try:
        yield client
    finally:
        await client.close()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    (length,) = (int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length"))
    return head, await reader.readexactly(length)


def saying(*parts: bytes) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.close()

    return script


async def post(script: Script, body: bytes = b"{}", seconds: float = 5.0, **settings) -> Reply:
    async with talking_to(script, **settings) as client:
        return await client.post_chat(body, seconds)


async def test_what_is_sent():
    heard = []

    async def script(reader, writer):
        heard.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    assert (await post(script, b'{"a":1}')).body == b"{}"
    ((head, body),) = heard
    lines = head.strip().split("\r\n")
    assert lines[0] == "POST /v1/chat/completions HTTP/1.1"
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    assert headers.pop("host").startswith("127.0.0.1:")
    assert headers == {
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "synthetic-data-factory",
        "authorization": f"bearer {'k' * 20}",
        "content-length": "7",
    }
    assert body == b'{"a":1}'


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 5_000_000])
async def test_a_body_of_any_size_arrives_whole(size):
    heard = []

    async def script(reader, writer):
        heard.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    body = bytes(range(256)) * (size // 256 + 1)
    await post(script, body[:size])
    assert heard[0][1] == body[:size]


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"01234", b"56789"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\n0123\r\n", b"6\r\n456789\r\n0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n\r\n", b"01234", b"56789"],  # until the connection closes
        [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"],
        [b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"],
        [b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"],
        [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(gzip.compress(b"0123456789"))
         + gzip.compress(b"0123456789")],
    ],
    ids=["length", "chunked", "until close", "100", "103", "http 1.0", "gzip"],
)  # fmt: skip
async def test_a_response_in_any_framing_is_read(parts):
    reply = await post(saying(*parts))
    assert (reply.status, reply.body) == (200, b"0123456789")


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", b"x" * 101],
        [b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 60, b"x" * 60, b"x" * 60],
        [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(b"0" * 10_000_000)],
    ],
    ids=["told", "not told", "gzip bomb"],
)
async def test_a_body_above_the_bound_is_not_read(parts):
    with pytest.raises(TransientError, match="larger than 100 bytes") as caught:
        await post(saying(*parts), max_answer_bytes=100)
    assert caught.value.kind == "answer_too_large"


async def test_a_long_error_is_cut_and_not_refused():
    body = b"x" * 500_000
    reply = await post(saying(b"HTTP/1.1 500 Oops\r\nContent-Length: 500000\r\n\r\n" + body))
    assert reply.status == 500
    assert len(reply.body) == 65_536


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ([b""], "reset"),
        ([b"HTTP/1.1 200 OK\r\nContent-Le"], "reset"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "bad_http"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n"], "bad_http"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"], "bad_http"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"], "truncated"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n"], "truncated"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"], "bad_http"),
    ],
)
async def test_what_is_no_answer(parts, kind):
    with pytest.raises(TransientError) as caught:
        await post(saying(*parts))
    assert caught.value.kind == kind
    assert caught.value.__cause__ is None


async def silence(reader, writer):
    await asyncio.sleep(0.5)
    writer.close()


async def test_silence_and_slowness_are_told_apart():
    with pytest.raises(TransientError, match=r"no byte for 0\.1 s; .* raise idle_timeout_s") as caught:
        await post(silence, idle_timeout_s=0.1)
    assert caught.value.kind == "idle_timeout"
    with pytest.raises(TransientError) as caught:
        await post(silence, seconds=0.1)
    assert caught.value.kind == "timeout"


async def test_a_connection_that_cannot_be_made_in_time():
    """A listener whose queue is full answers no SYN."""
    import socket

    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        root = URL(f"http://127.0.0.1:{full.getsockname()[1]}/v1")
        client = HttpClient(EndpointSettings(base_url=str(root), connect_timeout_s=0.2), root, None)
        with pytest.raises(TransientError, match=r"no connection within 0\.2 s") as caught:
            await client.post_chat(b"{}", 5.0)
        assert caught.value.kind == "connect_timeout"
        await client.close()
        for filler in fillers:
            filler.close()


async def test_connections_are_kept_and_used_again():
    connections = []

    async def script(reader, writer):
        connections.append(1)
        for _ in range(10):
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async with talking_to(script) as client:
        for _ in range(10):
            assert (await client.post_chat(b"{}", 5.0)).status == 200
    assert len(connections) == 1


async def test_an_answer_before_the_request_was_read_does_not_spoil_the_next_one():
    async def script(reader, writer):
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")  # and reads nothing of a large body
        await writer.drain()
        await asyncio.sleep(0.3)
        writer.close()

    async with talking_to(script) as client:
        for _ in range(2):
            outcome = await asyncio.gather(client.post_chat(b"x" * 30_000_000, 5.0), return_exceptions=True)
            # The server may reset while the rest is on its way; an answer of another request it must never be.
            assert getattr(outcome[0], "status", None) == 413 or getattr(outcome[0], "kind", None) == "reset"


async def test_two_answers_to_one_request_do_not_spoil_the_next_one():
    """The second one would be taken for the answer to whatever is asked next."""
    answers = iter([b"1", b"2", b"3", b"4"])

    async def script(reader, writer):
        while True:
            try:
                await read_request(reader)
            except asyncio.IncompleteReadError:
                break
            one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + next(answers)
            writer.write(one + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        writer.close()

    async with talking_to(script) as client:
        got = [(await client.post_chat(b"{}", 5.0)).body for _ in range(3)]
    assert got == [b"1", b"2", b"3"]


async def test_redirects_are_answers():
    reply = await post(saying(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"))
    assert reply.status == 302


async def test_a_proxy_of_the_environment_is_used_with_its_own_password(monkeypatch):
    heard = []

    async def script(reader, writer):
        heard.append((await read_request(reader))[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(script, "127.0.0.1", 0)
    proxy = f"http://someone:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    root = URL("http://model.invalid/v1")
    client = HttpClient(EndpointSettings(base_url=str(root)), root, None)
    assert (await client.post_chat(b"{}", 5.0)).status == 200
    await client.close()
    server.close()
    lines = heard[0].split("\r\n")
    assert lines[0] == "POST http://model.invalid/v1/chat/completions HTTP/1.1"
    assert "Host: model.invalid" in lines
    assert "Proxy-Authorization: Basic c29tZW9uZTpzZWNyZXQ=" in lines


async def test_a_proxy_is_not_asked_for_this_machine(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert (await post(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"))).status == 200
