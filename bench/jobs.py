"""Jobs under fire: kill -9 of runners, watching processes and commands at seeded moments; and how fast the queue is.

python -m bench.jobs --points 200 --seed 1
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from factory.jobs.claims import claim, end_attempt, take
from factory.jobs.store import JobStore
from tests.factory.jobs import kills

THREADS = 4


def queue_rate(home: Path, jobs: int) -> dict[str, Any]:
    """Jobs a second, submitted, and then claimed, taken and ended by several connections at once."""
    with JobStore(home) as store:
        began = time.perf_counter()
        for _ in range(jobs):
            store.submit(["factory", "build", "prompts"])
        submitted = jobs / (time.perf_counter() - began)
    claimed: list[str] = []
    threads = [threading.Thread(target=_claim_all, args=(home, f"owner-{i}", claimed)) for i in range(THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if len(claimed) != jobs or len(set(claimed)) != jobs:
        raise SystemExit(f"{len(claimed)} claims of {len(set(claimed))} jobs, where there are {jobs}")
    return {"jobs": jobs, "submitted_per_s": round(submitted), "claimed_and_ended_per_s": round(jobs / seconds)}


def _claim_all(home: Path, owner: str, claimed: list[str]) -> None:
    with JobStore(home) as store:
        while True:
            with store.transaction() as connection:
                job = claim(connection, owner, lambda job, active: True)
            if job is None:
                return
            claimed.append(job.id)
            with store.transaction() as connection:
                taken = take(connection, job.id, job.attempts, 1)
            with store.transaction() as connection:
                end_attempt(connection, taken or job, {"state": "done", "ended": time.time()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1000, help="of the queue's rate")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        print(json.dumps({"queue": queue_rate(Path(home), args.jobs)}), flush=True)
    with tempfile.TemporaryDirectory() as home:
        print(json.dumps({"kills": kills.run(Path(home), args.points, args.seed)}), flush=True)


if __name__ == "__main__":
    main()
