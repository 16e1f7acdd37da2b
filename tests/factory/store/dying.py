"""A commit that dies, as by kill -9, with a finished file beside the place where it belongs.

    python -m tests.factory.store.dying LOCATION _manifests

Or `.`, where the card lies.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.commit import commit
from schemas.local import LocalFolder
from schemas.records import Prompt
from tests.factory.store.made import draft
from tests.schemas.rows import rows_of


class Dying(LocalFolder):
    def __init__(self, location: str, where: str) -> None:
        super().__init__(Path(location))
        self._where = self.root / where

    @contextmanager
    def _aside(self, target: Path, data: bytes) -> Iterator[Path]:
        with super()._aside(target, data) as aside:
            if target.parent == self._where:
                os.kill(os.getpid(), signal.SIGKILL)
            yield aside


def main(location: str, where: str) -> None:
    folder = Dying(location, where)
    commit(folder, draft(folder, "dying", rows_of(Prompt, 3, first=50)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
