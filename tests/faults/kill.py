"""kill -9 at random points of builds: nothing lost, nothing twice, nothing paid for again beyond what was in flight.

python -m tests.faults.kill --kills 500 --seed 0
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.faults.harness import Server, Workspace, questions, say, serving

IN_FLIGHT = 64


def run(home: Path, kills: int, seed: int, rows: int = 1500) -> dict[str, Any]:
    """Builds, one after the other, each killed until it is through, until `kills` kills were given."""
    draw = random.Random(seed)
    space = Workspace(home)
    figures = {"kills": 0, "builds": 0, "rows": 0, "lost": 0, "duplicated": 0, "paid_again": 0, "most_paid_again": 0}
    with serving(latency_s=0.03, answer_words=40) as server:
        data = space.prompts(questions(rows))
        while figures["kills"] < kills:
            build = figures["builds"]
            words = ("build", "completions", "--data", data, "--policy", server.endpoint, "--out", f"out{build}")
            words += ("--set", f"seed={build}", "--set", f"run.max_in_flight={IN_FLIGHT}")
            _kill_until_done(space, server, words, draw, figures, kills)
            _check(space, f"out{build}@v1", rows, figures)
            figures["builds"] += 1
    figures["paid_again_per_kill"] = round(figures["paid_again"] / max(1, figures["kills"]), 2)
    return figures


def _kill_until_done(
    space: Workspace, server: Server, words: tuple[str, ...], draw: random.Random, figures: dict[str, Any], kills: int
) -> None:
    paid_again = server.stats()["answered_again"]
    while True:
        build = space.start(*words)
        if figures["kills"] < kills:
            time.sleep(draw.uniform(0.6, 2.2))  # from the imports to the commit
            if build.poll() is None:
                build.kill()
                figures["kills"] += 1
        _, err = build.communicate()
        if build.returncode == 0:
            return
        if build.returncode != -9:
            raise AssertionError(f"exit {build.returncode}: {err}")
        now = server.stats()["answered_again"]
        figures["paid_again"] += now - paid_again
        figures["most_paid_again"] = max(figures["most_paid_again"], now - paid_again)
        paid_again = now


def _check(space: Workspace, ref: str, rows: int, figures: dict[str, Any]) -> None:
    ids = [row["prompt_id"] for row in space.rows(ref)]
    figures["rows"] += len(ids)
    figures["lost"] += rows - len(set(ids))
    figures["duplicated"] += len(ids) - len(set(ids))
    verified = space.run("datasets", "verify", ref)
    if verified.returncode != 0:
        raise AssertionError(verified.stdout + verified.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        say(run(Path(home), args.kills, args.seed))


if __name__ == "__main__":
    main()
