"""The folder loads with plain `datasets`, polars and pyarrow, whatever the order of its shards."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import msgspec
import pytest

from factory.store.tag import tag_version
from schemas.arrow import ARROW_SCHEMAS, RECORD_KINDS
from schemas.commit import commit
from schemas.datasets import open_version
from schemas.features import with_features
from schemas.folder import Folder
from schemas.records import Message, Prompt
from tests.factory.store.made import draft, make_dataset
from tests.schemas.rows import prompt, rows_of

GSM8K = Path(__file__).parents[4] / "shared/data/gsm8k/train.jsonl"


def load(folder: Folder, cache, **which):
    import datasets

    datasets.disable_progress_bars()
    return datasets.load_dataset(folder.location, cache_dir=str(cache), **which)


def late_columns() -> list[Prompt]:
    """The first shard's optional columns are all null: where untyped writers break."""
    return [
        *rows_of(Prompt, 4),
        *(prompt(n, ground_truth=str(n), verifier="gsm8k", metadata="{}") for n in range(4, 12)),
    ]


@pytest.fixture
def folder(tmp_path) -> Folder:
    folder = make_dataset(tmp_path / "ds", versions=2)
    tag_version(f"{tmp_path}/ds@v1", "first", tmp_path)
    commit(folder, draft(folder, "late", late_columns()))
    return folder


def test_load_dataset_gives_the_latest_version_in_order(folder, tmp_path):
    loaded = load(folder, tmp_path / "hf")
    assert list(loaded) == ["train"]
    assert loaded["train"].to_list() == msgspec.to_builtins(late_columns())


def test_load_dataset_gives_versions_and_tags_by_name(folder, tmp_path):
    for name, number in [("v1", 0), ("first", 0), ("v2", 1)]:
        loaded = load(folder, tmp_path / "hf", name=name, split="train")
        assert loaded.to_list() == msgspec.to_builtins(rows_of(Prompt, 6, first=number * 1000)), name


def test_load_dataset_streams(folder, tmp_path):
    loaded = load(folder, tmp_path / "hf", split="train", streaming=True)
    assert list(loaded) == msgspec.to_builtins(late_columns())


@pytest.mark.parametrize("kind", RECORD_KINDS)
def test_every_kind_loads_with_the_declared_types(kind, tmp_path):
    from datasets import Features

    record = RECORD_KINDS[kind]
    folder = make_dataset(tmp_path / "ds", kind=kind)
    loaded = load(folder, tmp_path / "hf", split="train")
    assert loaded.features == Features.from_arrow_schema(with_features(ARROW_SCHEMAS[record]))
    assert loaded.to_list() == msgspec.to_builtins(rows_of(record, 6))


def test_shards_load_in_every_order(tmp_path):
    import datasets
    import polars as pl
    import pyarrow.dataset as ds

    datasets.disable_progress_bars()
    folder = make_dataset(tmp_path / "ds", versions=0)
    made = commit(folder, draft(folder, "late", late_columns()))
    paths = [f"{folder.location}/{shard.path}" for shard in made.shards]
    assert len(paths) == 3
    expected = {row.prompt_id for row in late_columns()}
    for number, order in enumerate(permutations(paths)):
        for frame in (pl.scan_parquet(order).collect(), pl.from_arrow(ds.dataset(list(order)).to_table())):
            assert set(frame["prompt_id"]) == expected
            assert frame["ground_truth"].null_count() == 4
        loaded = datasets.load_dataset(
            "parquet", data_files=list(order), cache_dir=f"{tmp_path}/{number}", split="train"
        )
        assert set(loaded["prompt_id"]) == expected


@pytest.mark.shared_data
@pytest.mark.skipif(not GSM8K.exists(), reason="shared data absent")
def test_real_prompts_come_back_through_every_reader(tmp_path):
    import polars as pl
    import pyarrow.dataset as ds

    lines = [json.loads(line) for line in GSM8K.read_text().splitlines()]
    rows = [
        prompt(number, prompt=[Message("user", line["question"])], ground_truth=line["answer"], verifier="gsm8k")
        for number, line in enumerate(lines)
    ]
    folder = Folder.open(tmp_path / "ds")
    made = commit(folder, draft(folder, "b", rows, per_shard=3000))
    paths = [f"{folder.location}/{shard.path}" for shard in made.shards]
    readers = {
        "ours": msgspec.to_builtins(list(open_version("ds", tmp_path).records())),
        "datasets": load(folder, tmp_path / "hf", split="train").to_list(),
        "polars": pl.scan_parquet(paths).collect().to_dicts(),
        "pyarrow": ds.dataset(paths).to_table().to_pylist(),
    }
    for found in readers.values():
        assert [row["prompt"][0]["content"] for row in found] == [line["question"] for line in lines]
        assert [row["ground_truth"] for row in found] == [line["answer"] for line in lines]


def test_polars_and_pyarrow_read_the_data_folder(tmp_path):
    import polars as pl
    import pyarrow.dataset as ds

    folder = make_dataset(tmp_path / "ds")
    folder.replace("data/.tmp-0123", b"a writer died here")
    by_polars = pl.scan_parquet(f"{folder.location}/data/*.parquet").collect()
    by_pyarrow = ds.dataset(f"{folder.location}/data").to_table()
    expected = msgspec.to_builtins(rows_of(Prompt, 6))
    for rows in (by_polars.to_dicts(), by_pyarrow.to_pylist()):
        assert sorted(rows, key=lambda row: row["prompt_id"]) == expected
    assert by_pyarrow.schema.equals(ARROW_SCHEMAS[Prompt])
