"""How long a person who labels waits: from a click until the next pair is there, through a service that listens.

    python -m bench.people [--pairs 100000] [--labels 300]

Makes a queue of so many pairs, starts `factory serve`, and labels: by the API (a label, then the next pair) and by the
page (the form is posted, the redirect followed, as a browser does). Latencies in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from bench.service import start
from factory.people.make import NewQueue, make_queue
from factory.people.store import PeopleStore
from schemas.commit import commit
from schemas.folder import Folder
from tests.factory.people.space import a_pair
from tests.factory.store.made import draft

OURS = {"x-factory": "1"}
QUEUE = "q"
PER_SHARD = 50_000


def make(home: Path, pairs: int) -> float:
    """A version and its queue; gives the seconds that the queue took."""
    folder = Folder.open(home / "pairs")
    commit(folder, draft(folder, "build", [a_pair(n) for n in range(pairs)], name="pairs", per_shard=PER_SHARD))
    began = time.perf_counter()
    with PeopleStore(home) as store:
        make_queue(store, NewQueue(name=QUEUE, data="pairs@v1"))
    return time.perf_counter() - began


def by_api(client: httpx.Client) -> Callable[[], None]:
    """Label the pair that one looks at, and get the next."""

    def following() -> int:
        found = client.get(f"/api/v1/people/{QUEUE}/next", params={"person": "ann"}).raise_for_status().json()
        return found["pair"]["item"]

    item = following()

    def click() -> None:
        nonlocal item
        said = {"person": "ann", "item": item, "choice": "first"}
        client.post(f"/api/v1/people/{QUEUE}/labels", json=said, headers=OURS).raise_for_status()
        item = following()

    return click


def by_page(client: httpx.Client) -> Callable[[], None]:
    """The same by the form of the page that the click before led to."""
    text = client.get(f"/people/{QUEUE}", params={"person": "ben"}).raise_for_status().text

    def click() -> None:
        nonlocal text
        form = dict(re.findall(r'name="(form_token|item)" value="([^"]+)"', text))
        answer = client.post(f"/people/{QUEUE}/label", data={**form, "person": "ben", "choice": "tie"})
        text = client.get(answer.headers["location"]).raise_for_status().text

    return click


def measured(call: Callable[[], None], times: int) -> dict[str, float]:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    return {name: round(float(np.quantile(taken, at)), 1) for name, at in (("p50", 0.5), ("p99", 0.99), ("most", 1))}


def run(home: Path, pairs: int, labels: int) -> dict[str, Any]:
    found: dict[str, Any] = {"pairs": pairs, "queue_s": round(make(home, pairs), 1), "load": os.getloadavg()[0]}
    process, base = start(home)
    try:
        with httpx.Client(base_url=base, timeout=60) as client:
            found["api_ms"] = measured(by_api(client), labels)
            found["page_ms"] = measured(by_page(client), labels)
    finally:
        process.terminate()
        process.wait()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=300)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        print(json.dumps(run(Path(home), args.pairs, args.labels)))


if __name__ == "__main__":
    main()
