"""Real processes: killed with SIGKILL, and committing all at once. Small here; the environment asks for more.

FACTORY_KILLS=1000 FACTORY_RACE_COMMITS=500 pytest tests/factory/store/test_crashes_and_races.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from factory.store.verify import verify
from schemas.datasets import read_manifest, versions
from schemas.folder import Folder

KILLS = int(os.environ.get("FACTORY_KILLS", "25"))
COMMITS = int(os.environ.get("FACTORY_RACE_COMMITS", "3"))
WRITERS = {"local": 8, "s3": 8 if COMMITS > 3 else 4}


@pytest.mark.timeout(3600)
def test_no_version_is_lost_doubled_or_torn_by_kills(tmp_path):
    command = [sys.executable, "-m", "tests.factory.store.killing", str(tmp_path / "ds"), str(KILLS), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    print(found)
    stray = found.pop("stray")
    assert found.pop("commits") >= 2
    assert found == {"kills": KILLS, "lost": 0, "doubled": 0, "torn": 0, "broken": {}}
    assert stray > 0, "no kill came inside a commit"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("store", ["local", "s3"])
def test_many_processes_commit_to_one_dataset(store, tmp_path, request):
    writers, commits = WRITERS[store], COMMITS if store == "local" else max(1, COMMITS // 10)
    location = str(tmp_path / "ds")
    if store == "s3":
        location = f"{request.getfixturevalue('s3_bucket')}/{tmp_path.name}/race"
    acknowledged = race(location, writers, commits)
    expected = {f"w{writer}-{number}" for writer in range(writers) for number in range(commits)}
    assert acknowledged.keys() == expected
    folder = Folder.open(location)
    assert versions(folder) == list(range(1, writers * commits + 1))
    found = {manifest.build_id: manifest.version for manifest in map_manifests(folder)}
    assert found == acknowledged
    assert [manifest.parent for manifest in map_manifests(folder)] == [None, *range(1, writers * commits)]
    assert verify(location, tmp_path).broken == {}


def map_manifests(folder: Folder):
    return [read_manifest(folder, number) for number in versions(folder)]


def race(location: str, writers: int, commits: int) -> dict[str, int]:
    """Build id -> version, as the committing processes were told."""
    command = [sys.executable, "-m", "tests.factory.store.racing", location, str(writers), str(commits)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
