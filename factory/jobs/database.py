"""The service's database: one SQLite file for a workspace, which any number of processes of one machine may open."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from schemas.errors import DataError
from schemas.local import make_folders

VERSION = 1
BUSY_TIMEOUT_S = 60
# Locks on these are unsure, or memory is not shared between machines: SQLite needs both.
NETWORK_DISKS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"}
    | {"orangefs", "pvfs2", "smb3", "smbfs", "fuse.ceph", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"}
)
MOUNTS = Path("/proc/self/mountinfo")

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS job (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    command TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('queued', 'running', 'pausing', 'paused', 'cancelling', 'done', 'failed', 'cancelled')
    ),
    source TEXT NOT NULL,
    created REAL NOT NULL,
    started REAL,
    ended REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0,
    exit_code INTEGER,
    error TEXT,
    pid INTEGER,
    owner TEXT,
    lease REAL,
    max_cost_usd REAL,
    spent_usd REAL,
    out TEXT,
    made TEXT,
    key TEXT UNIQUE,
    slot TEXT,
    folder TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS job_by_state ON job (state, number);
PRAGMA user_version = {VERSION};
"""


class Database:
    """One connection, for all threads of a process. `home`: the workspace.

    `tables`: statements that make what a part of the service keeps beside the jobs, where it is missing.
    """

    tables: ClassVar[Sequence[str]] = ()

    def __init__(self, home: Path) -> None:
        """Raises DataError as `connect`."""
        self.home = home.absolute()
        self._connection = connect(self.home)
        self._lock = threading.Lock()
        if self.tables:
            with self.transaction() as connection:
                for table in self.tables:
                    connection.execute(table)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for a while in which no other thread of the process has it."""
        with self._lock:
            yield self._connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one transaction that may write."""
        with self.reading() as connection, writing(connection):
            yield connection

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with self.reading() as connection:
            return connection.execute(query, values).fetchall()


def database_path(home: Path) -> Path:
    return home / ".factory" / "service.sqlite"


def connect(home: Path) -> sqlite3.Connection:
    """Open the database of a workspace, and make it where it is missing. Every statement is its own transaction.

    One thread at a time may use a connection; which one does not matter. Other parts of the service keep their own
    tables in the same file: `CREATE TABLE IF NOT EXISTS` on such a connection.

    Raises:
        DataError: the file is on a network disk, damaged, or of a later release.
    """
    path = database_path(home)
    make_folders(path.parent)
    refuse_network_disk(path.parent)
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as err:
        raise _cannot_open(path, err) from err
    connection.row_factory = sqlite3.Row
    try:
        with _alone(path):  # two that make the file at once would get in each other's way
            _prepare(connection, path)
    except sqlite3.Error as err:
        connection.close()
        raise _cannot_open(path, err) from err
    except DataError:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    [found] = connection.execute("PRAGMA user_version").fetchone()
    if found > VERSION:
        raise DataError(f"{path}: is of a later release (version {found}); use that one")
    if found < VERSION:
        connection.executescript(SCHEMA)


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One transaction that may write: all of it is done, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def refuse_network_disk(folder: Path) -> None:
    """Raises DataError where the folder lies on a disk that several machines share. Linux alone can tell."""
    if not MOUNTS.exists():
        return
    kind = disk_kind(os.path.realpath(folder), MOUNTS.read_text())
    if kind in NETWORK_DISKS:
        raise DataError(
            f"{folder}: is on a network disk ({kind}), where SQLite loses data; point FACTORY_HOME to a local disk"
        )


def disk_kind(folder: str, mounts: str) -> str:
    """The kind of the disk on which `folder` lies. `mounts`: the text of /proc/self/mountinfo."""
    best, kind = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        place = before.split(" ")[4].encode().decode("unicode_escape")  # a blank is written \\040
        if (folder == place or folder.startswith(f"{place.rstrip('/')}/")) and len(place) >= len(best):
            best, kind = place, after.split(" ")[0]
    return kind


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.with_name(f"{path.name}.lock").open("ab") as file:  # not the database: closing it would drop its locks
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cannot_open(path: Path, err: sqlite3.Error) -> DataError:
    return DataError(f"{path}: the service's database cannot be opened ({err}); restore it, or move it away")
