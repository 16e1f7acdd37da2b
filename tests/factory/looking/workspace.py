"""Small workspaces to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from factory.looking.library import Library
from schemas.commit import commit
from schemas.folder import Folder
from schemas.manifest import StageCount
from schemas.records import Record
from tests.factory.store.made import draft, write


def library(home: Path, **changes) -> Library:
    return Library(home, **changes)


def version(home: Path, name: str, rows: Sequence[Record], dropped: Sequence[Record] = (), **changes) -> str:
    """Commit a version of these rows, and of these rejections."""
    folder = Folder.open(home / name)
    build = changes.pop("build_id", f"build-{name}-{changes.pop('number', 0)}")
    if dropped:
        count = StageCount(
            stage="read",
            rows_in=len(rows) + len(dropped),
            rows_out=len(rows),
            dropped={"gone": len(dropped)},
            failed={},
        )
        changes = {"rejections": write(folder, f"_builds/{build}/rejections", dropped), "counters": [count]} | changes
    made = commit(folder, draft(folder, build, rows, rejected=0, name=name, **changes))
    return f"{name}@v{made.version}"
