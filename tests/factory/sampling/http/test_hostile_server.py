"""The server that the other tests and the benchmarks trust."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.factory.sampling.http.hostile_faults import FAULT_HANDLERS
from tests.factory.sampling.http.hostile_settings import FAULTS

ROOT = Path(__file__).parents[4]


def body(text: str, **fields) -> dict:
    return {"model": "hostile", "messages": [{"role": "user", "content": text}], **fields}


async def ask(session: aiohttp.ClientSession, server, text: str, **fields) -> tuple[int, dict]:
    async with session.post(f"{server.base_url}/chat/completions", json=body(text, **fields)) as response:
        return response.status, await response.json()


async def test_answers_follow_from_prompt_and_seed(serve):
    server = await serve()
    async with aiohttp.ClientSession() as session:
        texts = [
            (await ask(session, server, text, seed=seed))[1]["choices"][0]["message"]["content"]
            for text, seed in [("a", 1), ("a", 1), ("a", 2), ("b", 1)]
        ]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


async def test_the_same_requests_meet_the_same_faults_in_any_order(serve):
    texts = [f"question {number}" for number in range(60)]
    outcomes = []
    for order in (texts, texts[::-1]):
        server = await serve(fault_rate=0.5, faults=("500", "429"), seed=9)
        async with aiohttp.ClientSession() as session:
            statuses = {text: (await ask(session, server, text))[0] for text in order}
        outcomes.append(statuses)
    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0].values()) == {200, 500, 429}


async def test_the_share_of_faults_is_the_one_asked_for(serve):
    server = await serve(fault_rate=0.3, faults=("500",))
    async with aiohttp.ClientSession() as session:
        statuses = [(await ask(session, server, f"question {number}"))[0] for number in range(400)]
    assert 90 <= statuses.count(500) <= 150


async def test_the_cap_counts_requests_in_flight(serve):
    server = await serve(cap=3, latency_s=0.3, cap_wait="1")
    async with aiohttp.ClientSession() as session:
        results = await asyncio.gather(*(ask(session, server, f"question {number}") for number in range(8)))
    statuses = [status for status, _ in results]
    assert (statuses.count(200), statuses.count(429)) == (3, 5)
    assert server.books.in_flight == 0


async def test_the_books_tell_what_was_paid_twice_and_what_was_never_delivered(serve):
    server = await serve(latency_s=0.2)
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(ask(session, server, "a"), ask(session, server, "b"))
        await ask(session, server, "a")
        task = asyncio.create_task(ask(session, server, "c"))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with session.get(f"http://127.0.0.1:{server.port}/stats?keys=1") as response:
            stats = await response.json()
    assert stats["requests"] == 4
    assert stats["answered"] == 3
    assert stats["keys_answered"] == 2
    assert stats["answered_again"] == 1
    assert sorted(stats["answers_by_key"].values()) == [1, 2]


async def test_a_known_name_for_every_fault():
    assert set(FAULTS) == set(FAULT_HANDLERS)


async def test_as_a_process_it_prints_its_port_and_takes_new_settings():
    command = [sys.executable, "-m", "tests.factory.sampling.http.hostile_server", "--set", "latency_s=0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        url = f"http://127.0.0.1:{int(await process.stdout.readline())}"
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/v1/models") as response:
                assert (await response.json())["data"][0]["id"] == "hostile"
            async with session.post(f"{url}/settings", json={"all_status": 503}) as response:
                assert response.status == 200
            async with session.post(f"{url}/v1/chat/completions", json=body("hi")) as response:
                assert response.status == 503
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize("setting", ["nonsense=1", "latency_s=soon"])
def test_a_wrong_setting_is_refused(setting):
    command = [sys.executable, "-m", "tests.factory.sampling.http.hostile_server", "--set", setting]
    result = subprocess.run(command, capture_output=True, cwd=ROOT, text=True, timeout=60)
    assert result.returncode != 0
    assert setting.split("=")[0] in result.stderr
