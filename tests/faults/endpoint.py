"""An endpoint that fails in fourteen ways: every row is finished or a dead letter with its reason.

python -m tests.faults.endpoint --rows 3000 --rate 0.3
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.faults.harness import Workspace, questions, say, serving

PATIENCE = {
    "run.row_deadline_s": 120,
    "run.connect_timeout_s": 2,
    "run.idle_timeout_s": 1,
    "run.answer_timeout_s": 2,
    "run.max_answer_bytes": 1_000_000,
    "run.max_failed_share": 1.0,
}


def run(home: Path, rows: int, rate: float, seed: int = 0) -> dict[str, Any]:
    space = Workspace(home)
    with serving(fault_rate=rate, seed=seed, latency_s=0.02, huge_bytes=20_000_000) as server:
        data = space.prompts(questions(rows))
        sets = [word for name, value in PATIENCE.items() for word in ("--set", f"{name}={value}")]
        made = space.result("build", "completions", "--data", data, "--policy", server.endpoint, "--out", "out", *sets)
        stats = server.stats()
    [sample] = made["counters"]
    dead = rejected(home / "out", made)
    figures = {
        "rows": rows,
        "finished": made["rows"],
        "dead_letters": sum(sample["failed"].values()),
        "without_a_reason": sum(not row["reason"] for row in dead),
        "accounted_for": made["rows"] + len(dead),
        "dead_by_kind": dict(Counter(row["kind"] for row in dead)),
        "requests": stats["requests"],
        "faults": stats["counts"],
        "paid": stats["answered"],
        "came_before_retry_after": stats["came_early"],
    }
    figures["requests_per_row"] = round(stats["requests"] / rows, 3)
    return figures


def rejected(folder: Path, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for shard in manifest["rejections"] for row in pq.read_table(folder / shard["path"]).to_pylist()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--rate", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        say(run(Path(home), args.rows, args.rate, args.seed))


if __name__ == "__main__":
    main()
