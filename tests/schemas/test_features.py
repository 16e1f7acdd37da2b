"""The `huggingface` key is the one that `datasets` itself writes."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.arrow import ARROW_SCHEMAS
from schemas.features import with_features
from schemas.folder import Folder
from schemas.shards import ShardWriter
from tests.schemas.rows import rows_of


@pytest.mark.parametrize("record", ARROW_SCHEMAS, ids=lambda record: record.__name__)
def test_the_key_is_what_datasets_makes_of_the_schema(record):
    from datasets import Features

    plain = pa.schema(list(ARROW_SCHEMAS[record]))
    theirs = Features.from_arrow_schema(plain).arrow_schema.metadata[b"huggingface"]
    ours = with_features(plain).metadata[b"huggingface"]
    assert json.loads(ours) == json.loads(theirs)


@pytest.mark.parametrize("record", ARROW_SCHEMAS, ids=lambda record: record.__name__)
def test_a_shard_has_the_metadata_of_a_file_that_datasets_writes(record, tmp_path):
    from datasets import Dataset

    writer = ShardWriter(Folder.open(tmp_path), "data", record, units=[])
    writer.write(rows_of(record, 3))
    (shard,) = writer.close()
    Dataset.from_parquet(str(tmp_path / shard.path), cache_dir=str(tmp_path / "hf")).to_parquet(tmp_path / "theirs")
    ours, theirs = (pq.read_metadata(path).metadata for path in (tmp_path / shard.path, tmp_path / "theirs"))
    for key in (b"huggingface", b"content_defined_chunking"):
        assert json.loads(ours[key]) == json.loads(theirs[key]), key
