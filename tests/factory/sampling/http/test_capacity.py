"""Pacing against a real server: caps, Retry-After, rate-limit windows, order, cancellation, leaks."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from pathlib import Path

import pytest

from factory.sampling.types import SamplingParams
from schemas.records import Message

PARAMS = SamplingParams()


def ask(text: str = "hello") -> list[Message]:
    return [Message("user", text)]


async def ask_all(engine, n_rows: int) -> list:
    return await asyncio.gather(*(engine.sample(ask(f"question {number}"), 1, PARAMS) for number in range(n_rows)))


@pytest.mark.parametrize("wait", [None, "0.05"], ids=["no Retry-After", "Retry-After"])
async def test_a_server_that_refuses_above_32(wait, serve, connect):
    server = await serve(cap=32, cap_wait=wait, latency_s=0.1)
    engine = await connect(server, max_in_flight=256, backoff_base_s=0.5)
    await ask_all(engine, 1000)
    assert engine.stats.answered == server.books.answers == 1000
    assert server.books.answers_by_key.total() == len(server.books.answers_by_key)
    assert engine.stats.refused == server.books.counts["refused"] < 100
    assert 24 <= engine.stats.limit <= 40
    assert server.books.came_early == 0


async def test_nothing_is_refused_below_the_cap(serve, connect):
    server = await serve(cap=64, latency_s=0.05)
    engine = await connect(server, max_in_flight=64)
    await ask_all(engine, 500)
    assert engine.stats.refused == 0
    assert engine.stats.limit == 64
    assert 16 < server.books.most_in_flight <= 64


async def test_retry_after_is_waited_out(serve, connect):
    server = await serve(fault_rate=0.5, faults=("429_wait",), wait_s=0.1)
    engine = await connect(server)
    await ask_all(engine, 40)
    assert server.books.counts["429_wait"] >= 10
    assert server.books.came_early == 0


async def test_an_absurd_retry_after_is_not_waited_for_and_is_counted(serve, connect):
    server = await serve(fault_rate=0.5, faults=("429_absurd",))
    engine = await connect(server)
    await ask_all(engine, 20)
    assert engine.stats.retried["rate_limited_absurd_wait"] == server.books.counts["429_absurd"] > 0


async def test_a_used_up_window_is_not_run_against(serve, connect):
    server = await serve(window_requests=10, window_s=0.3)
    engine = await connect(server, max_in_flight=4, initial_in_flight=4)
    began = time.monotonic()
    await ask_all(engine, 30)
    assert server.books.counts["refused"] <= 6  # those that were under way when the window ran out
    assert time.monotonic() - began > 0.5


async def test_only_one_request_at_a_time_when_told_so(serve, connect):
    server = await serve(latency_s=0.005)
    engine = await connect(server, max_in_flight=1)
    await ask_all(engine, 20)
    assert server.books.most_in_flight == 1


async def test_rows_are_served_in_the_order_in_which_they_came(serve, connect):
    server = await serve(latency_s=0.005)
    engine = await connect(server, max_in_flight=3, initial_in_flight=3)
    done = []

    async def row(number: int) -> None:
        await engine.sample(ask(f"question {number}"), 1, PARAMS)
        done.append(number)

    await asyncio.gather(*(row(number) for number in range(60)))
    assert all(abs(place - number) <= 6 for place, number in enumerate(done))


async def test_a_row_that_comes_back_goes_before_newer_rows(serve, connect):
    server = await serve(latency_s=0.02)
    engine = await connect(server, max_in_flight=1, backoff_base_s=0.001)
    server.settings = server.changed(fault_rate=1.0, faults=("500",))
    done = []

    async def row(number: int) -> None:
        await engine.sample(ask(f"question {number}"), 1, PARAMS)
        done.append(number)

    first = asyncio.create_task(row(0))
    while not engine.stats.retried:  # noqa: ASYNC110 - the counters have no event
        await asyncio.sleep(0.001)
    server.settings = server.changed(fault_rate=0.0)
    others = [asyncio.create_task(row(number)) for number in range(1, 30)]
    await asyncio.gather(first, *others)
    assert done.index(0) <= 5


async def test_cancelled_rows_free_their_slots(serve, connect):
    server = await serve(latency_s=5.0)
    engine = await connect(server, max_in_flight=8, initial_in_flight=8)
    tasks = [asyncio.create_task(engine.sample(ask(f"question {number}"), 1, PARAMS)) for number in range(40)]
    while server.books.in_flight < 8:  # noqa: ASYNC110 - the books have no event
        await asyncio.sleep(0.005)
    assert engine.stats.in_flight == 8
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert engine.stats.in_flight == 0
    server.settings = server.changed(latency_s=0.0)
    assert await engine.sample(ask("next"), 1, PARAMS)


async def test_a_row_cancelled_in_the_moment_it_is_let_in_frees_its_slot(serve, connect):
    server = await serve(latency_s=0.01)
    engine = await connect(server, max_in_flight=1)
    for _ in range(20):
        holder = asyncio.create_task(engine.sample(ask("holder"), 1, PARAMS))
        await asyncio.sleep(0)
        waiter = asyncio.create_task(engine.sample(ask("waiter"), 1, PARAMS))
        holder.add_done_callback(lambda _, waiter=waiter: waiter.cancel())
        await asyncio.gather(holder, waiter, return_exceptions=True)
    assert engine.stats.in_flight == 0
    assert await engine.sample(ask("next"), 1, PARAMS)


async def test_waiting_for_the_first_try_is_not_held_against_the_row(serve, connect):
    server = await serve(latency_s=0.05)
    engine = await connect(server, max_in_flight=1, row_deadline_s=0.3)
    assert len(await ask_all(engine, 12)) == 12  # the last one waits 0.55 s


async def test_two_thousand_requests_leave_nothing_behind(serve, connect):
    server = await serve(fault_rate=0.02, faults=("reset", "500", "truncated_json", "cut", "empty_choices"))
    engine = await connect(server, max_in_flight=32)
    await ask_all(engine, 50)
    await asyncio.sleep(0.1)
    tasks, files = len(asyncio.all_tasks()), open_files()
    await ask_all(engine, 2000)
    await asyncio.sleep(0.1)
    gc.collect()
    server_side = 32  # one task and one socket for each connection that is kept
    assert len(asyncio.all_tasks()) <= tasks + server_side
    assert open_files() <= files + 2 * server_side
    await engine.close()
    await asyncio.sleep(0.1)
    assert open_files() <= files
    assert len(asyncio.all_tasks()) <= tasks


def open_files() -> int:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("counts open files in /proc")
    return len(os.listdir(folder))
