"""What lies in the folder of a job, .factory/jobs/ID:

log.txt          what its attempts printed
progress.jsonl   where its build stands (`factory.progress_log`)
exit.json        how its last attempt ended: written whole, or not at all
lock             held while anything of it runs; the kernel lets go of it, however that ends
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from schemas.errors import CorruptError, NotFoundError
from schemas.local import LocalFolder
from schemas.visible import visible

LOG, PROGRESS, EXIT, LOCK = "log.txt", "progress.jsonl", "exit.json", "lock"
ID = re.compile(r"[0-9a-z]{11}")
LAST_BYTES = 8192  # of a log, in which its last words are looked for
MOST_CHARACTERS = 500


class Exit(msgspec.Struct, frozen=True):
    """How an attempt ended. `code` is negative where a signal ended it; times are UTC, in seconds since 1970."""

    attempt: int
    code: int
    ended: float


def job_folder(home: Path, id: str) -> Path:
    """Raises NotFoundError for what can be no job's id, a path for example."""
    if not ID.fullmatch(id):
        raise NotFoundError(f"there is no job {id!r}")
    return home / ".factory" / "jobs" / id


def write_exit(folder: Path, ended: Exit) -> None:
    LocalFolder(folder).replace(EXIT, msgspec.json.encode(ended))


def read_exit(folder: Path) -> Exit | None:
    """Raises CorruptError when the file is not what we write."""
    try:
        return msgspec.json.decode((folder / EXIT).read_bytes(), type=Exit)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as err:
        raise CorruptError(f"{folder / EXIT}: cannot be read ({err})") from err


def last_words(folder: Path) -> str | None:
    """The last line of the log that tells of an error, else the last one; None where nothing was said."""
    lines = [line.strip() for line in _tail(folder / LOG).splitlines() if line.strip()]
    if not lines:
        return None
    told = [line for line in lines if line.startswith("error: ")]
    return visible((told or lines)[-1].removeprefix("error: "))[:MOST_CHARACTERS]


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_BYTES))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
