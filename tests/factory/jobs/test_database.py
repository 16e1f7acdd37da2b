"""The database file: where it may lie, what it promises, and what is refused."""

import sqlite3
import threading

import pytest

from factory.jobs.database import NETWORK_DISKS, connect, database_path, disk_kind
from factory.jobs.store import JobStore
from schemas.errors import DataError

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /mnt/team\\040files rw,relatime shared:5 - nfs4 server:/export rw,vers=4.2
31 22 0:27 / /mnt rw,relatime - tmpfs tmpfs rw
32 22 0:28 /a /srv rw,relatime shared:7 master:1 - xfs /dev/vdb rw
33 32 0:29 / /srv rw,relatime - fuse.sshfs me@host: rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me/data", "ext4"),
        ("/mnt/team files/data/.factory", "nfs4"),
        ("/mnt/team files", "nfs4"),
        ("/mnt/team filesystem", "tmpfs"),
        ("/srv/data", "fuse.sshfs"),
    ],
)
def test_the_disk_of_a_folder_is_that_mounted_last_and_nearest(folder, kind):
    assert disk_kind(folder, MOUNTS) == kind


def test_network_disks_are_refused(tmp_path, monkeypatch):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:26 / {tmp_path} rw - cifs //server/share rw\n")
    monkeypatch.setattr("factory.jobs.database.MOUNTS", mounts)
    with pytest.raises(DataError, match=r"network disk \(cifs\).*FACTORY_HOME"):
        JobStore(tmp_path)
    assert {"nfs", "nfs4", "smb3", "fuse.sshfs", "lustre"} <= NETWORK_DISKS
    assert not {"ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs"} & NETWORK_DISKS


def test_a_commit_is_on_the_disk_and_readers_are_not_held_up(tmp_path):
    connection = connect(tmp_path)
    settings = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert settings == ["wal", 2]  # 2: FULL
    connection.close()


def test_many_may_make_it_at_once(tmp_path):
    failures = []

    def make():
        try:
            JobStore(tmp_path).close()
        except DataError as err:
            failures.append(err)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_damaged_or_later_file_is_refused_and_left_as_it_is(tmp_path):
    path = database_path(tmp_path)
    path.parent.mkdir()
    path.write_bytes(b"no database" * 200)
    with pytest.raises(DataError, match="restore it, or move it away"):
        connect(tmp_path)
    assert path.read_bytes() == b"no database" * 200
    path.unlink()
    with sqlite3.connect(path) as later:
        later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(DataError, match="later release"):
        connect(tmp_path)
