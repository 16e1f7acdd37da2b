"""How fast the store writes, commits, verifies and reads, and in how much memory, beside bare pyarrow.

    python -m bench.store [--rows 2000000] [--bare-rows 400000]

Every line is a process of its own, so that one line's memory is not in another's figure. The rows are completions of 64
tokens with their ids and log-probs. "Bare" makes the same columns from the same Python rows with `pa.array` and writes
them with `pq.ParquetWriter`: no checks, no hash, no fsync, no shards, no manifest.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice
from operator import attrgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from factory.store.verify import verify
from schemas.arrow import ARROW_SCHEMAS, MESSAGES
from schemas.commit import commit
from schemas.datasets import open_version
from schemas.folder import Folder
from schemas.manifest import Cost, Manifest, StageCount, Tokens
from schemas.records import Completion, Message
from schemas.shard_file import CHUNKING, dictionary_columns
from schemas.shards import ShardWriter, schema_of, schema_sha256

POOL_ROWS = 8192  # cycled; farther apart than zstd looks back
TOKENS = 64
AT_ONCE = 1024
GROUP_ROWS = 9 * AT_ONCE  # about what our writer puts into a row group
SCHEMA = ARROW_SCHEMAS[Completion]
OURS = {"use_dictionary": dictionary_columns(SCHEMA), "write_page_index": True}
BARE = {
    "bare, its defaults": {},
    "bare, our settings": OURS | {"use_content_defined_chunking": CHUNKING},
    "bare, ours without chunking": OURS,
}
TARGET_SHARE = 0.8
TARGET_MIB = 600


def make_row(number: int, chance: random.Random, words: list[str]) -> Completion:
    row_id = f"{chance.getrandbits(64):016x}"
    question, answer = (" ".join(chance.choices(words, k=k)) for k in (40, TOKENS))
    return Completion(
        completion_id=row_id,
        prompt_id=f"{number // 4:016x}",
        sample_index=number % 4,
        prompt=[Message("user", question)],
        completion=[Message("assistant", answer)],
        ground_truth=str(number),
        verifier="gsm8k",
        finish_reason="stop",
        n_prompt_tokens=48,
        n_completion_tokens=TOKENS,
        token_ids=[chance.randrange(32_000) for _ in range(TOKENS)],
        logprobs=[-chance.expovariate(2) for _ in range(TOKENS)],
        model="ckpt/sft",
        revision="0123456789abcdef",
        engine="vllm",
        temperature=1.0,
        top_p=1.0,
        seed=chance.getrandbits(62),
        request_key=row_id[::-1],
        source="gsm8k",
        licence="MIT",
    )


def batches(rows: int) -> Iterator[list[Completion]]:
    """`rows` rows in lists, from a pool that is made before the clock starts."""
    chance = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chance.choices(letters, k=chance.randrange(2, 9))) for _ in range(4000)]
    stream = cycle([make_row(number, chance, words) for number in range(POOL_ROWS)])
    return (list(islice(stream, min(AT_ONCE, rows - start))) for start in range(0, rows, AT_ONCE))


@dataclass
class Clock:
    """Wall and CPU seconds from its making to `stop`."""

    wall: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=time.process_time)

    def stop(self) -> Clock:
        return Clock(time.perf_counter() - self.wall, time.process_time() - self.cpu)


def bare(home: Path, rows: int, settings: dict) -> Clock:
    stream = batches(rows)
    clock = Clock()
    group: list[pa.RecordBatch] = []
    with pq.ParquetWriter(home / "bare.parquet", SCHEMA, compression="zstd", **settings) as writer:
        for part in stream:
            group.append(bare_batch(part))
            if len(group) * AT_ONCE >= GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(group))
                group = []
        if group:
            writer.write_table(pa.Table.from_batches(group))
    return clock.stop()


def bare_batch(rows: list[Completion]) -> pa.RecordBatch:
    columns = []
    for column in SCHEMA:
        values = list(map(attrgetter(column.name), rows))
        if column.type == MESSAGES:
            values = [[(turn.role, turn.content, turn.reasoning) for turn in turns] for turns in values]
        columns.append(pa.array(values, column.type))
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def write(home: Path, rows: int) -> Clock:
    stream = batches(rows)
    clock = Clock()
    folder = Folder.open(home / "ds")
    writer = ShardWriter(folder, "_builds/bench/data", Completion, units=["bench"])
    for part in stream:
        writer.write(part)
    commit(folder, draft(rows, writer.close()))
    return clock.stop()


def draft(rows: int, shards: list) -> Manifest:
    return Manifest(
        name="ds",
        version=0,
        kind="completions",
        build_id="bench",
        created_at="2026-01-01T00:00:00+00:00",
        rows=rows,
        schema=schema_of(Completion),
        schema_sha256=schema_sha256(Completion),
        shards=shards,
        rejections=[],
        inputs=[],
        models=[],
        recipe={},
        recipe_sha256="0" * 64,
        counters=[StageCount(stage="sample", rows_in=rows, rows_out=rows, dropped={}, failed={})],
        tokens=Tokens(),
        cost=Cost(usd=None),
        licences=["MIT"],
        software={},
    )


def check(home: Path, rows: int) -> Clock:
    clock = Clock()
    report = verify("ds@v1", home)
    assert not report.broken, report.broken
    return clock.stop()


def read(home: Path, rows: int) -> Clock:
    clock = Clock()
    found = sum(1 for _ in open_version("ds@v1", home).records())
    assert found == rows
    return clock.stop()


def measure(name: str, home: Path, rows: int) -> dict:
    """Run one line in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_line, args=(name, home, rows, theirs))
    process.start()
    line = ours.recv()
    process.join()
    return line


def run_line(name: str, home: Path, rows: int, answer) -> None:
    steps = {"write and commit": write, "verify": check, "read back": read}
    took = bare(home, rows, BARE[name]) if name in BARE else steps[name](home, rows)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    speeds = {"rows_per_s": round(rows / took.wall), "rows_per_cpu_s": round(rows / took.cpu)}
    answer.send({"name": name, "rows": rows, "seconds": round(took.wall, 1), "peak_mib": round(peak_mib)} | speeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--bare-rows", type=int, default=400_000)
    parser.add_argument("--home", type=Path, default=None, help="folder for the files (default: a temporary one)")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bench-store-", dir=args.home))
    try:
        lines = [measure(name, home, args.bare_rows) for name in BARE]
        lines += [measure(name, home, args.rows) for name in ("write and commit", "verify", "read back")]
    finally:
        shutil.rmtree(home)
    report(lines)


def report(lines: list[dict]) -> None:
    print(f"{'':30}{'rows':>11}{'seconds':>9}{'rows/s':>9}{'rows/CPU s':>12}{'peak MiB':>10}")
    for line in lines:
        print(
            f"{line['name']:30}{line['rows']:>11,}{line['seconds']:>9}{line['rows_per_s']:>9,}"
            f"{line['rows_per_cpu_s']:>12,}{line['peak_mib']:>10,}"
        )
    by_name = {line["name"]: line for line in lines}
    shares = {
        f"{unit} of {name}": round(by_name["write and commit"][unit] / by_name[name][unit], 3)
        for name in BARE
        for unit in ("rows_per_s", "rows_per_cpu_s")
    }
    peak = max(line["peak_mib"] for line in lines if line["name"] not in BARE)
    print(f"writing, as a share of bare pyarrow (target {TARGET_SHARE}): {shares}")
    print(f"memory: {peak} MiB at most (target {TARGET_MIB})")
    print(json.dumps({"shares": shares, "peak_mib": peak, "cpus": os.cpu_count(), "lines": lines}))


if __name__ == "__main__":
    main()
