"""Sending beside a call that receives: in a thread that may hang without keeping the process alive."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from factory.sampling.errors import RunError

T = TypeVar("T")
GRACE_S = 5.0  # for the receiver to say why the sender failed


async def beside(receiving: Coroutine[Any, Any, T], sending: Callable[[], None]) -> T:
    """What `receiving` returns. Cancelled, it leaves the sending thread to itself.

    Raises:
        RunError: only the sender failed.
        As `receiving` does.
    """
    received = asyncio.ensure_future(receiving)
    sent = _in_thread(sending)
    try:
        await asyncio.wait((received, sent), return_when=asyncio.FIRST_EXCEPTION)
        if not received.done():
            await asyncio.wait((received,), timeout=GRACE_S)
        if not received.done():
            error = sent.exception()
            raise RunError("vllm_update", f"the weights could not be sent: {error}") from error
        return received.result()
    finally:
        received.cancel()
        sent.cancel()


def _in_thread(work: Callable[[], None]) -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def run() -> None:
        error: Exception | None = None
        try:
            work()
        except Exception as err:  # noqa: BLE001 - it goes to whoever waits
            error = err
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_finish, done, error)

    threading.Thread(target=run, daemon=True).start()
    return done


def _finish(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
        done.exception()  # seen, should nobody ask
