"""Listening: uvicorn with one process, quiet, and with an end to streams that stay open."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from types import FrameType

import uvicorn
from fastapi import FastAPI

from factory.service.settings import Settings
from schemas.errors import DataError

GRACE_S = 3  # for what is being answered, when told to stop
SWITCH_S = 0.0005  # until a thread that computes gives way to one that waits; of Python's 5 ms a page needs many
BACKLOG = 2048


class Server(uvicorn.Server):
    """Tells the streams that it stops, before it waits for them to end. `received`: the signal that ended it."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._stopping = app.state.service.stopping
        self.received: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.received is not None  # a second one does not wait
        self.received = sig
        self.stop()

    def stop(self) -> None:
        self._stopping.set()
        self.should_exit = True


def make_server(app: FastAPI, settings: Settings) -> Server:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody in front of it is trusted to say who asks
        timeout_graceful_shutdown=GRACE_S,
        limit_concurrency=512,
        h11_max_incomplete_event_size=64 * 1024,
        ws="none",
    )
    return Server(config, app)


def listen(settings: Settings) -> socket.socket:
    """Raises DataError: the address is taken, or not of this machine."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as err:
        raise DataError(f"{settings.host}:{settings.port}: {os.strerror(err.errno or 0)}; give another --port") from err


def serve(app: FastAPI, settings: Settings, listening: socket.socket) -> int:
    """Until a signal: 75 after SIGTERM and 130 after SIGINT, as commands end that are told to."""
    server = make_server(app, settings)
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()  # what was imported stays: looking through all of it again would hold up whoever asks just then
    with listening:
        server.run(sockets=[listening])
    return 130 if server.received == signal.SIGINT else 75 if server.received is not None else 1
