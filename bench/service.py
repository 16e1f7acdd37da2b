"""How fast the service answers over a version of a million rows, and in how much memory.

    python -m bench.service [--rows 1000000] [--seconds 60] [--rate 200] [--home FOLDER]

Starts `factory serve` over a workspace (see bench.looking) and asks for pages and for JSON at a rate, whether or not
the answers keep up. Latency is from the moment a request is due. Both share the machine, so the CPU time of the
service and that of what asks it are told apart.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import numpy as np

from bench.looking import GROWTH_MIB, P99_MS, arguments, made_version
from factory.looking.columns import statistics
from factory.looking.library import Library

VERSION = "/datasets/ds/v1"


def paths(rows: int, chance: random.Random) -> str:
    """One of the mix: mostly lists of rows and samples at random places, some filters, the version, other pages."""
    at, kind = chance.randrange(rows), chance.random()
    if kind < 0.25:
        return f"{VERSION}/samples?offset={at}&limit=25"
    if kind < 0.5:
        return f"{VERSION}/samples/{at}"
    if kind < 0.7:
        return f"/api/v1{VERSION}/rows?offset={at}&limit=50"
    if kind < 0.85:
        return f"/api/v1{VERSION}/rows/{at}"
    if kind < 0.92:
        return f"{VERSION}/samples?where=metadata.level:is:{at % 5}&offset={at % 200}"
    return chance.choice((VERSION, "/datasets", "/runs", "/lineage", "/api/v1/status", "/metrics", "/static/style.css"))


async def load(base: str, rows: int, rate: float, seconds: float) -> tuple[list[float], int]:
    """Seconds of each request, and how many were not answered with 200."""
    chance, taken, wrong = random.Random(0), [], 0

    async def ask(session: aiohttp.ClientSession, path: str, due: float) -> None:
        nonlocal wrong
        async with session.get(base + path) as response:
            await response.read()
            wrong += response.status != 200
        taken.append(time.monotonic() - due)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as session:
        start, asked = time.monotonic(), []
        for number in range(int(rate * seconds)):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            asked.append(asyncio.create_task(ask(session, paths(rows, chance), due)))
        await asyncio.gather(*asked)
    return taken, wrong


def rss_mib(pid: int) -> float:
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "factory.cli", "serve", "--port", str(port)]
    service = subprocess.Popen(words, env={**os.environ, "FACTORY_HOME": str(home)})
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if service.poll() is not None:
                raise
            time.sleep(0.1)
        else:
            return service, f"http://127.0.0.1:{port}"


def measure(home: Path, args: argparse.Namespace) -> None:
    service, base = start(home)
    try:
        warming = min(args.seconds, 10.0)  # row groups are decoded when they are first asked for
        asyncio.run(load(base, args.rows, args.rate, warming))
        before, cpu, own = rss_mib(service.pid), cpu_s(service.pid), time.process_time()
        taken, wrong = asyncio.run(load(base, args.rows, args.rate, args.seconds))
        after, cpu, own = rss_mib(service.pid), cpu_s(service.pid) - cpu, time.process_time() - own
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30)
    low, high, top = np.percentile(np.array(taken) * 1000, [50, 99, 100])
    print(f"{len(taken)} requests at {args.rate:g}/s: p50 {low:.1f} ms, p99 {high:.1f} ms, slowest {top:.0f} ms")
    each = 1000 / len(taken)
    print(f"{wrong} not answered with 200; CPU of each: service {cpu * each:.2f} ms, asking {own * each:.2f} ms")
    print(f"memory {before:.0f} MiB before, {after:.0f} after")
    is_met = high <= P99_MS and after - before <= GROWTH_MIB and not wrong
    print(f"p99 at most {P99_MS:g} ms, growth at most {GROWTH_MIB:g} MiB: {'met' if is_met else 'NOT met'}")


def main() -> None:
    args = arguments(__doc__)
    with made_version(args) as home:
        statistics(Library(home), "ds")
        measure(home, args)


if __name__ == "__main__":
    main()
