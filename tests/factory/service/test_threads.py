"""Quick calls go one after another; what looks through rows holds none of them up."""

import asyncio
import threading
import time
from types import SimpleNamespace

import httpx
import pytest
from anyio import CapacityLimiter
from fastapi import FastAPI, Request, Response

from factory.service.threads import quickly


class Calls:
    """An app with one call. `most`: how many were at work at once. A search waits for `found`."""

    def __init__(self):
        self.now = self.most = 0
        self.lock, self.found, self.searching = threading.Lock(), threading.Event(), threading.Semaphore(0)
        self.app = FastAPI()
        self.app.state.service = SimpleNamespace(in_turn=CapacityLimiter(1))
        self.app.get("/{number}")(quickly(self.look))

    def look(self, number: int, request: Request) -> Response:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        if "q" in request.query_params:
            self.searching.release()
            assert self.found.wait(20)
        time.sleep(0.005)
        with self.lock:
            self.now -= 1
        return Response(str(number))


@pytest.fixture
async def client():
    calls = Calls()
    transport = httpx.ASGITransport(calls.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        client.calls = calls
        yield client


async def test_quick_calls_go_one_after_another(client):
    answers = await asyncio.gather(*(client.get(f"/{number}") for number in range(20)))
    assert [answer.text for answer in answers] == [str(number) for number in range(20)]
    assert client.calls.most == 1


async def test_searches_hold_up_neither_quick_calls_nor_one_another(client):
    searches = [asyncio.create_task(client.get(f"/{number}?q=x")) for number in range(3)]
    for _ in searches:
        await asyncio.to_thread(client.calls.searching.acquire, timeout=20)
    assert (await client.get("/7")).text == "7"
    client.calls.found.set()
    assert [answer.text for answer in await asyncio.gather(*searches)] == ["0", "1", "2"]


async def test_what_the_path_says_is_still_checked(client):
    assert (await client.get("/seven")).status_code == 422
