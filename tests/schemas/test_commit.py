"""A version comes whole, once, in order, or not at all."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from factory.store.verify import verify
from schemas.commit import commit, find_build
from schemas.datasets import manifest_path, open_version, versions
from schemas.errors import CorruptError, DataError
from schemas.folder import Folder
from schemas.manifest import StageCount, decode_manifest
from schemas.records import Prompt
from tests.factory.store.made import draft, make_dataset, make_version
from tests.schemas.rows import prompt, rows_of, trace


@pytest.fixture(params=["local", "memory", "s3"])
def folder(request, tmp_path) -> Folder:
    if request.param == "local":
        return Folder.open(tmp_path / "ds")
    if request.param == "memory":
        return Folder.open(f"memory://{tmp_path.name}/ds")
    return Folder.open(f"{request.getfixturevalue('s3_bucket')}/{tmp_path.name}/ds")


def check(folder, tmp_path):
    return verify(folder.location, tmp_path).broken


def test_versions_follow_one_another(folder, tmp_path):
    first, second = make_version(folder, 0), make_version(folder, 1)
    assert [(m.version, m.parent) for m in (first, second)] == [(1, None), (2, 1)]
    for made in (first, second):
        data = folder.read_bytes(manifest_path(made.version))
        assert decode_manifest(data, "x") == made
        assert json.loads(data)["rows"] == 6
    assert check(folder, tmp_path) == {}


def test_shards_move_to_where_a_version_keeps_them(folder):
    made = make_version(folder, 0)
    assert [shard.path.split("/")[0] for shard in made.shards] == ["data", "data"]
    assert [shard.path.split("/")[0] for shard in made.rejections] == ["rejections"]
    named = {shard.path for shard in [*made.shards, *made.rejections]}
    others = {"README.md", manifest_path(1), "_builds/.lock"} if folder.is_local else {"README.md", manifest_path(1)}
    assert set(folder.list()) == named | others


def test_one_build_is_committed_once(folder, tmp_path):
    plan = draft(folder, "once", rows_of(Prompt, 6))
    first = commit(folder, plan)
    make_version(folder, 7)
    assert commit(folder, plan) == first
    assert commit(folder, replace(plan, created_at="later")) == first
    assert versions(folder) == [1, 2]
    assert find_build(folder, "once") == first
    assert find_build(folder, "twice") is None
    assert check(folder, tmp_path) == {}


def test_a_build_id_in_another_field_is_not_the_build(folder):
    make_version(folder, 0, software={"once": "1"})
    assert find_build(folder, "once") is None


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def die_at(folder: Folder, step: int, monkeypatch, *, after: bool) -> None:
    """Let the folder's `step`-th change be the last, done or not done."""
    changes = iter(range(10**6))
    for name in ("create", "replace", "move", "delete"):
        do = getattr(folder, name)

        def change(*args, do=do):
            is_last = next(changes) == step
            if not is_last or after:
                do(*args)
            if is_last:
                raise Killed

        monkeypatch.setattr(folder, name, change)


@pytest.mark.parametrize("after", [False, True])
def test_a_commit_killed_at_any_step_is_finished_by_the_next(folder, tmp_path, monkeypatch, after):
    if folder.location.startswith("s3") and not after:
        pytest.skip("one way is enough for the slow server")
    make_version(folder, 0)
    for step in range(100):
        plan = draft(folder, f"resumed-{step}", rows_of(Prompt, 3, first=100 * step + 5000))
        with monkeypatch.context() as patch:
            die_at(folder, step, patch, after=after)
            try:
                commit(folder, plan)
                break
            except Killed:
                pass
        made = commit(folder, plan)
        assert made.version == step + 2
    assert step > 3
    assert versions(folder) == list(range(1, step + 3))
    assert check(folder, tmp_path) == {}


def test_shards_may_lie_in_place_already(folder, tmp_path):
    plan = draft(folder, "placed", rows_of(Prompt, 6))
    made = commit(folder, plan)
    again = commit(folder, replace(plan, build_id="shares-its-shards", shards=made.shards, rejections=made.rejections))
    assert (again.version, again.shards) == (2, made.shards)
    assert check(folder, tmp_path) == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": 7}, "7 rows stated, 6 in its shards"),
        ({"name": "../evil"}, "name '../evil' must match"),
        ({"name": ""}, "name '' must match"),
        ({"name": "x" * 65}, "must match"),
        ({"kind": "pictures"}, "unknown kind 'pictures'"),
        ({"kind": "traces"}, "schema is not that of 'traces'"),
        ({"schema": {"prompt": "string"}}, "schema is not that of 'prompts'"),
        ({"schema_sha256": "0" * 64}, "schema is not that of 'prompts'"),
        ({"build_id": ""}, "build_id '' must match"),
        ({"build_id": 'a"b'}, "build_id 'a\"b' must match"),
        (
            {"counters": [StageCount(stage="judge", rows_in=9, rows_out=6, dropped={"x": 1}, failed={"y": 1})]},
            "stage 'judge' does not balance: 9 in, 6 out, 1 dropped, 1 failed",
        ),
    ],
)
def test_a_draft_whose_books_are_wrong_is_refused(tmp_path, changes, said):
    folder = Folder.open(tmp_path / "ds")
    plan = draft(folder, "wrong", rows_of(Prompt, 6))
    with pytest.raises(DataError, match=said):
        commit(folder, replace(plan, **changes))
    assert versions(folder) == []


def test_a_version_without_rows_is_refused(tmp_path):
    folder = Folder.open(tmp_path / "ds")
    plan = draft(folder, "empty", rows_of(Prompt, 6))
    with pytest.raises(DataError, match="no rows"):
        commit(folder, replace(plan, rows=0, shards=[], counters=[]))


def test_the_same_rows_twice_are_refused(tmp_path):
    folder = Folder.open(tmp_path / "ds")
    plan = draft(folder, "double", rows_of(Prompt, 4), counters=[])
    with pytest.raises(DataError, match="two of its shards hold the same rows"):
        commit(folder, replace(plan, rows=8, shards=plan.shards * 2))


def test_one_dataset_holds_one_kind(tmp_path):
    folder = make_dataset(tmp_path / "ds")
    with pytest.raises(DataError, match="holds 'prompts', and this build makes 'traces'"):
        commit(folder, draft(folder, "other", [trace(1)]))
    assert versions(folder) == [1]


def test_a_missing_or_cut_shard_of_the_draft_is_named(folder):
    plan = draft(folder, "damaged", rows_of(Prompt, 8))
    folder.replace(plan.shards[1].path, b"cut")
    with pytest.raises(CorruptError, match=r"3 bytes where the draft says.*run the build again"):
        commit(folder, plan)
    plan = draft(folder, "lost", rows_of(Prompt, 8, first=50))
    folder.delete(plan.shards[0].path)
    with pytest.raises(CorruptError, match=f"{plan.shards[0].path}: this shard of the draft is missing"):
        commit(folder, plan)
    assert versions(folder) == []


def test_a_lost_answer_to_a_create_is_not_a_second_version(tmp_path, monkeypatch):
    """A store may write the manifest, lose its answer, and refuse the client's own retry as a second write."""
    folder = Folder.open(tmp_path / "ds")
    create = folder.create

    def create_and_refuse(path: str, data: bytes) -> None:
        create(path, data)
        raise FileExistsError(path)

    monkeypatch.setattr(folder, "create", create_and_refuse)
    made = make_version(folder, 0)
    assert made.version == 1
    assert versions(folder) == [1]


def test_rows_of_a_version_come_back(folder, tmp_path):
    rows = [prompt(number, ground_truth=str(number) if number % 2 else None) for number in range(9)]
    commit(folder, draft(folder, "b", rows))
    assert list(open_version(folder.location, tmp_path).records()) == rows
