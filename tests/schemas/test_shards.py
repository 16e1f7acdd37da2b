"""What a shard is, how a stream of rows is cut into shards, and how ranges of rows come back."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from schemas.arrow import ARROW_SCHEMAS, PROMPT
from schemas.errors import CorruptError, DataError
from schemas.folder import Folder
from schemas.records import Completion, Message, PassRate, Prompt
from schemas.shards import ShardWriter, read_batches, read_records, schema_of, schema_sha256
from tests.schemas.rows import completion, pass_rate, prompt, rows_of


def written(folder, rows, record=Prompt, **bounds):
    writer = ShardWriter(folder, "data", record, units=["u1", "u2"], **bounds)
    writer.write(rows)
    return writer.close()


@pytest.fixture(params=["local", "memory", "s3"])
def folder(request, tmp_path) -> Folder:
    if request.param == "local":
        return Folder.open(tmp_path / "ds")
    if request.param == "memory":
        return Folder.open(f"memory://{tmp_path.name}/ds")
    return Folder.open(f"{request.getfixturevalue('s3_bucket')}/{tmp_path.name}/shards")


def test_a_shard_is_named_by_its_bytes_and_states_its_units(folder):
    (shard,) = written(folder, rows_of(Prompt, 5))
    data = folder.read_bytes(shard.path)
    assert shard.sha256 == hashlib.sha256(data).hexdigest()
    assert shard.path == f"data/{shard.sha256[:20]}.parquet"
    assert (shard.rows, shard.bytes, shard.units) == (5, len(data), ["u1", "u2"])
    assert folder.list() == [shard.path]


def test_rows_come_back_from_any_range(folder):
    rows = rows_of(Prompt, 23)
    shards = written(folder, rows, rows_per_shard=5)
    assert [shard.rows for shard in shards] == [5, 5, 5, 5, 3]
    assert list(read_records(folder, shards, Prompt)) == rows
    for start, stop in [(0, 0), (0, 1), (4, 6), (5, 10), (7, 19), (22, 23), (22, 99), (23, 30), (9, 3)]:
        assert list(read_records(folder, shards, Prompt, start, stop)) == rows[start:stop], (start, stop)


def test_ranges_cut_through_row_groups_and_batches(tmp_path):
    rows = rows_of(Completion, 3000)
    folder = Folder.open(tmp_path)
    (shard,) = written(folder, rows, Completion, bytes_per_shard=2**20)
    assert pq.read_metadata(tmp_path / shard.path).num_row_groups > 2
    for start, stop in [(0, 3000), (1023, 1025), (1500, 2600), (2999, 3000), (64, 65)]:
        assert list(read_records(folder, [shard], Completion, start, stop)) == rows[start:stop]


def test_batches_have_the_columns_asked_for(tmp_path):
    folder = Folder.open(tmp_path)
    shards = written(folder, rows_of(Prompt, 7), rows_per_shard=4)
    batches = list(read_batches(folder, shards, Prompt, columns=["source_id", "prompt_id"], start=2))
    assert {tuple(batch.schema.names) for batch in batches} == {("source_id", "prompt_id")}
    assert [row["source_id"] for batch in batches for row in batch.to_pylist()] == ["2", "3", "4", "5", "6"]


@pytest.mark.parametrize("record", ARROW_SCHEMAS, ids=lambda record: record.__name__)
def test_every_shard_declares_the_whole_schema(record, tmp_path):
    folder = Folder.open(tmp_path)
    for shard in written(folder, rows_of(record, 4), record, rows_per_shard=1):
        found = pq.read_schema(tmp_path / shard.path)
        assert found.equals(ARROW_SCHEMAS[record])
        assert list(json.loads(found.metadata[b"huggingface"])["info"]["features"]) == found.names


def test_shards_are_compressed_and_have_a_page_index(tmp_path):
    (shard,) = written(Folder.open(tmp_path), rows_of(Completion, 50), Completion)
    group = pq.read_metadata(tmp_path / shard.path).row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}
    assert all(column.has_offset_index and column.has_column_index for column in columns)


@pytest.mark.parametrize("part", [1, 3, 64, 5000])
def test_the_same_rows_make_the_same_shards_however_they_come(part, tmp_path):
    rows = [prompt(number, metadata="m" * (number % 97)) for number in range(3000)]
    expected = written(Folder.open(tmp_path / "a"), rows, rows_per_shard=700, bytes_per_shard=60_000)
    writer = ShardWriter(
        Folder.open(tmp_path / "b"), "data", Prompt, units=["u1", "u2"], rows_per_shard=700, bytes_per_shard=60_000
    )
    for start in range(0, len(rows), part):
        writer.write(rows[start : start + part])
    assert writer.close() == expected


def test_the_bound_on_bytes_holds(tmp_path):
    rows = [completion(n, metadata=hashlib.sha256(bytes([n % 256, n // 256])).hexdigest() * 20) for n in range(1500)]
    shards = written(Folder.open(tmp_path), rows, Completion, bytes_per_shard=200_000)
    assert len(shards) > 3
    assert max(shard.bytes for shard in shards) <= 200_000
    assert list(read_records(Folder.open(tmp_path), shards, Completion)) == rows


def test_a_row_above_the_bound_gets_a_shard_of_its_own(tmp_path):
    huge = prompt(1, prompt=[Message("user", "x" * 5_000_000)])
    folder = Folder.open(tmp_path)
    shards = written(folder, [prompt(0), huge, prompt(2)], bytes_per_shard=100_000)
    assert [row.prompt_id for row in read_records(folder, shards, Prompt)] == [f"{n:016x}" for n in range(3)]


def test_no_rows_make_no_shard(tmp_path):
    assert written(Folder.open(tmp_path), []) == []
    assert Folder.open(tmp_path).list() == []


def test_all_null_columns_keep_their_types(tmp_path):
    folder = Folder.open(tmp_path)
    first, second = written(folder, [prompt(0), prompt(1, ground_truth="4", metadata="{}")], rows_per_shard=1)
    for order in ([first, second], [second, first]):
        tables = [pq.read_table(tmp_path / shard.path) for shard in order]
        assert pa.concat_tables(tables).schema.field("ground_truth").type == pa.string()


def test_a_row_that_does_not_fit_leaves_nothing_after_abort(folder):
    writer = ShardWriter(folder, "data", Prompt, units=[], rows_per_shard=2)
    with pytest.raises(DataError, match="column 'source'"):
        writer.write([*rows_of(Prompt, 3), prompt(4, source=None)])
    writer.abort()
    assert all(path.endswith(".parquet") for path in folder.list())


FULL_DISK = """
import resource, signal, sys
from schemas.folder import Folder
from schemas.records import Prompt
from schemas.shards import ShardWriter
from tests.schemas.rows import prompt
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
writer = ShardWriter(Folder.open(sys.argv[1]), "data", Prompt, units=[], bytes_per_shard=4_000_000)
try:
    for number in range(100_000):
        writer.write([prompt(number, metadata=str(hash(str(number)) ** 9))])
    writer.close()
except OSError as err:
    writer.abort()
    print("stopped:", err.strerror)
"""


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.stdout == "stopped: File too large\n"
    assert run.stderr == ""
    assert Folder.open(tmp_path).list() == []


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """20 MB of rows, written and read with row groups of half a megabyte."""
    folder, pool = Folder.open(tmp_path), pa.default_memory_pool()
    body = [Message("user", "x" * 20_000)]
    shards = []
    writer = ShardWriter(folder, "data", Prompt, units=[], bytes_per_shard=2_000_000)
    before = pool.bytes_allocated()
    tracemalloc.start()
    for number in range(1000):
        writer.write([prompt(number, prompt=body)])
    shards = writer.close()
    assert sum(1 for _ in read_records(folder, shards, Prompt)) == 1000
    _, python_peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert python_peak < 8_000_000
    assert pool.bytes_allocated() == before


def test_a_missing_a_cut_and_a_foreign_shard_are_named(folder):
    rows = rows_of(Prompt, 9)
    shards = written(folder, rows, rows_per_shard=3)
    data = folder.read_bytes(shards[1].path)
    for damage, said in [
        (data[:-1], "bytes, its manifest says"),
        (data[:100] + bytes(len(data) - 100), "cannot be read"),
    ]:
        folder.replace(shards[1].path, damage)
        with pytest.raises(CorruptError, match=f"{shards[1].path}.*{said}"):
            list(read_records(folder, shards, Prompt))
    folder.delete(shards[1].path)
    with pytest.raises(CorruptError, match=f"{shards[1].path}: missing"):
        list(read_records(folder, shards, Prompt))
    assert list(read_records(folder, shards, Prompt, 0, 3)) == rows[:3]


def test_a_shard_with_another_number_of_rows_is_named(tmp_path):
    folder = Folder.open(tmp_path)
    (shard,) = written(folder, rows_of(Prompt, 3))
    with pytest.raises(CorruptError, match="3 rows, its manifest says 4"):
        list(read_records(folder, [replace(shard, rows=4)], Prompt))


def put_table(folder, tmp_path, table):
    pq.write_table(table, tmp_path / "made")
    shard = written(folder, rows_of(Prompt, 1))[0]
    folder.put(tmp_path / "made", shard.path)
    return replace(shard, rows=table.num_rows, bytes=folder.size(shard.path))


def test_a_shard_from_before_an_optional_column_gets_nulls_for_it(tmp_path):
    folder = Folder.open(tmp_path)
    table = pq.read_table(tmp_path / written(folder, rows_of(Prompt, 3))[0].path).drop_columns(["metadata", "verifier"])
    shard = put_table(folder, tmp_path, table)
    assert list(read_records(folder, [shard], Prompt)) == rows_of(Prompt, 3)


def test_a_shard_of_another_schema_is_refused(tmp_path):
    folder = Folder.open(tmp_path)
    table = pq.read_table(tmp_path / written(folder, rows_of(Prompt, 3))[0].path)
    lacking = put_table(folder, tmp_path, table.drop_columns(["source"]))
    with pytest.raises(CorruptError, match="no column 'source'"):
        list(read_records(folder, [lacking], Prompt))
    numbers = pa.array([1, 2, 3])
    other = put_table(folder, tmp_path, table.set_column(PROMPT.get_field_index("source"), "source", numbers))
    with pytest.raises(CorruptError, match="column 'source' is int64, not string"):
        list(read_records(folder, [other], Prompt))


def test_the_stated_schema_tells_types_and_order_and_nulls_apart():
    assert schema_of(PassRate)["pass_rate"] == "double"
    assert list(schema_of(PassRate)) == list(PassRate.__struct_fields__)
    hashes = {schema_sha256(record) for record in ARROW_SCHEMAS}
    assert len(hashes) == len(ARROW_SCHEMAS)
    assert schema_of(type(pass_rate())) == schema_of(PassRate)
