"""Let several processes commit to one dataset at once.

    python -m tests.factory.store.racing LOCATION WRITERS COMMITS

Prints one JSON object: build id -> the version that its process was told.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

from schemas.commit import commit
from schemas.folder import Folder
from schemas.records import Prompt
from tests.factory.store.made import draft
from tests.schemas.rows import rows_of


def write(location: str, writer: int, commits: int, start: Barrier, told: SimpleQueue) -> None:
    folder = Folder.open(location)
    plans = [
        draft(folder, f"w{writer}-{number}", rows_of(Prompt, 2, first=writer * 10**6 + number * 10), rejected=0)
        for number in range(commits)
    ]
    start.wait()
    for plan in plans:
        told.put((plan.build_id, commit(folder, plan).version))


def main(location: str, writers: int, commits: int) -> None:
    fork = multiprocessing.get_context("fork")  # nothing here has started a thread yet
    start, told = fork.Barrier(writers), fork.SimpleQueue()
    processes = [fork.Process(target=write, args=(location, writer, commits, start, told)) for writer in range(writers)]
    for process in processes:
        process.start()
    answers = dict(told.get() for _ in range(writers * commits))
    for process in processes:
        process.join()
    print(json.dumps(answers))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
