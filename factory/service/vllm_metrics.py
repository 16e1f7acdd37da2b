"""Gauges of vLLM servers, passed on with the name that the configuration gives each server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

TIMEOUT_S = 2.0
MOST_BYTES = 4 * 2**20
_SAMPLE = re.compile(r"(vllm:[a-zA-Z0-9_:]+)(?:\{(.*)\})? (\S+)")


class _NoRedirects(HTTPRedirectHandler):
    """A server that is asked for its metrics sends us nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


def passed_on(servers: Mapping[str, str]) -> Iterator[str]:
    """Lines for `/metrics`. A server that does not answer is said to be down."""
    if not servers:
        return
    yield "# TYPE factory_vllm_up gauge"
    with ThreadPoolExecutor(len(servers)) as pool:
        for name, text in zip(servers, pool.map(_fetch, servers.values()), strict=True):
            label = f'server="{escaped(name)}"'
            yield f"factory_vllm_up{{{label}}} {int(text is not None)}"
            yield from _relabelled(text or "", label)


def escaped(text: str) -> str:
    """The value of a label."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _fetch(url: str) -> str | None:
    try:
        with build_opener(_NoRedirects).open(Request(url), timeout=TIMEOUT_S) as response:
            body: bytes = response.read(MOST_BYTES)
    except (URLError, HTTPException, OSError, ValueError):
        return None
    return body.decode("utf-8", "replace")


def _relabelled(text: str, label: str) -> Iterator[str]:
    """Samples alone: what several servers say of one metric's type would clash."""
    for line in text.splitlines():
        if found := _SAMPLE.fullmatch(line):
            name, labels, value = found.groups()
            yield f"{name}{{{label}{',' + labels if labels else ''}}} {value}"
