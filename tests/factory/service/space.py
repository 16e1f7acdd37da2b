"""A service over a small workspace, asked without a network or, for the live parts, over one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx

from factory.service.app import make_app
from factory.service.serving import make_server
from factory.service.settings import Settings

PORT = 8420
BASE = f"http://127.0.0.1:{PORT}"
TOKEN = "a token that is long enough"
OURS = {"x-factory": "1"}


def settings(**changes) -> Settings:
    return Settings(**{"run_jobs": False, "run_schedules": False} | changes)


@asynccontextmanager
async def asked(home, *, token=None, only=None, headers=(), **changes):
    """A client of a service that is not listening."""
    app = make_app(settings(**changes), home, token=token, only=only)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=dict(headers)) as client:
            client.app = app
            yield client
    finally:
        service = app.state.service
        for store in (service.jobs, service.schedules, service.people):
            if store is not None:
                store.close()


@contextmanager
def listening(home, **changes) -> Iterator[str]:
    """The base URL of a service that listens, with its loops."""
    with socket.create_server(("127.0.0.1", 0)) as listens:
        port = listens.getsockname()[1]
        told = settings(port=port, **changes)
        server = make_server(make_app(told, home), told)
        thread = threading.Thread(target=server.run, args=([listens],))
        thread.start()
        yield from _while_it_runs(server, thread, port)


def _while_it_runs(server, thread, port):
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()
        thread.join(30)
        assert not thread.is_alive()
