"""A workspace whose jobs run `work`, and a runner in this process."""

import os
import time
from contextlib import contextmanager
from pathlib import Path

from factory.jobs.folder import job_folder
from factory.jobs.limits import Limits
from factory.jobs.runner import Runner
from tests.factory.jobs.watch import MODULE

ROOT = Path(__file__).parents[3]
PATIENCE_S = 30


class Space:
    def __init__(self, home, **limits):
        self.home = home
        self.runner = Runner(home, Limits(**limits), watch=MODULE)
        self.store = self.runner.store

    def submit(self, *words, **more):
        return self.store.submit(["factory", "work", *map(str, words)], **more)

    def until(self, is_so, *runners):
        """Step until it is so."""
        give_up = time.monotonic() + PATIENCE_S
        while not is_so():
            for runner in runners or (self.runner,):
                runner.step()
            assert time.monotonic() < give_up, self.store.list()
            time.sleep(0.02)

    def until_in(self, id, *states):
        self.until(lambda: self.store.get(id).state in states)
        return self.store.get(id)

    def until_rows(self, id, count):
        self.until(lambda: len(self.rows(id)) >= count)

    def rows(self, id):
        journal = job_folder(self.home, id) / "journal"
        return [int(line) for line in journal.read_text().split()] if journal.exists() else []

    def log(self, id):
        return (job_folder(self.home, id) / "log.txt").read_text()


@contextmanager
def working_space(home, **limits):
    """What still runs at the end is cancelled."""
    os.environ["PYTHONPATH"] = str(ROOT)
    space = Space(home, **limits)
    try:
        yield space
        for job in space.store.list(("queued", "paused", "running", "pausing")):
            space.store.cancel(job.id)
        space.until(lambda: not space.store.list(("cancelling",)))
    finally:
        space.runner.close()
        del os.environ["PYTHONPATH"]
