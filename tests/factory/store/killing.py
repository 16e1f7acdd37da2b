"""Kill a committing process again and again at random points, each time start it again, and count what is there.

    python -m tests.factory.store.killing FOLDER KILLS SEED

Prints one JSON object: kills, commits, lost, doubled, broken files, and garbage left for `gc`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from factory.store.gc import collect_garbage
from factory.store.verify import verify
from schemas.commit import commit
from schemas.datasets import open_version, read_manifest, versions
from schemas.folder import Folder
from schemas.records import Prompt
from tests.factory.store.made import draft
from tests.schemas.rows import rows_of

ROWS = 5
LONGEST_LIFE = 4  # commits


def commit_one(location: str, number: int) -> None:
    folder = Folder.open(location)
    commit(folder, draft(folder, f"build-{number}", rows_of(Prompt, ROWS, first=number * 10)))


def live(location: str, acknowledged: int) -> None:
    """Commit the first build that is not acknowledged, acknowledge it, and so on until killed."""
    for number in range(acknowledged_builds(location), 10**9):
        commit_one(location, number)
        os.write(acknowledged, b".")


def acknowledged_builds(location: str) -> int:
    return os.path.getsize(f"{location}.acknowledged")


def one_life(location: str, seconds: float) -> None:
    child = os.fork()
    if child == 0:
        live(location, os.open(f"{location}.acknowledged", os.O_WRONLY | os.O_APPEND))
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def count(location: str, kills: int) -> dict[str, object]:
    home = Path(location).parent
    folder = Folder.open(location)
    stray = collect_garbage(folder, older_than=-1)
    found = Counter(read_manifest(folder, number).build_id for number in versions(folder))
    expected = {f"build-{number}" for number in range(acknowledged_builds(location))}
    rows = [sum(1 for _ in open_version(f"{location}@v{number}", home).records()) for number in versions(folder)]
    return {
        "kills": kills,
        "commits": len(found),
        "lost": len(expected - found.keys()),
        "doubled": sum(number - 1 for number in found.values()),
        "torn": sum(number != ROWS for number in rows),
        "broken": verify(location, home).broken,
        "stray": len(stray),
    }


def main(location: str, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    Path(f"{location}.acknowledged").touch()
    commit_one(location, 10**6)  # what is imported late is there when the lives begin
    began = time.perf_counter()
    commit_one(location, 10**6 + 1)
    longest = LONGEST_LIFE * (time.perf_counter() - began)
    for _ in range(kills):
        one_life(location, chance.uniform(0, longest))
    commit_one(location, acknowledged_builds(location))
    os.write(os.open(f"{location}.acknowledged", os.O_WRONLY | os.O_APPEND), b".")
    print(json.dumps(count(location, kills)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
