"""Servers of tests that end without leaving a socket behind."""

import asyncio

from aiohttp import web


async def close_runner(runner: web.BaseRunner) -> None:
    """Turns of the loop before and after: whoever has called must be let in first, or his socket is lost while the
    server closes (CPython gh-109564), and what is closed lets go of its socket a turn later.
    """
    await _turns()
    await runner.cleanup()
    await _turns()


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
