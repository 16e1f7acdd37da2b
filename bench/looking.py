"""How fast a version of a million rows is looked at, and in how much memory.

    python -m bench.looking [--rows 1000000] [--seconds 60] [--rate 200]

Makes the version (completions of two models with their texts, scores and metadata) where none is kept, counts its
columns, searches it, and then asks for pages of rows, samples, filtered pages and the version's own page, at a rate, in
two threads, at random places. Latency is from the moment a request is due, so that one that waits for another counts.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bench.store import draft
from factory.looking.columns import statistics
from factory.looking.compare import compare, pairs
from factory.looking.datasets import list_datasets, version_page
from factory.looking.library import Library
from factory.looking.lineage import lineage
from factory.looking.rows import Query, number_of, page, parse_query
from factory.looking.sample import show_row
from factory.looking.sides import SideRef
from schemas.canonical import canonical_json
from schemas.commit import commit
from schemas.folder import Folder
from schemas.records import Completion, Message
from schemas.shards import ShardWriter

AT_ONCE = 1000
WORKERS = 2
P99_MS = 300.0
GROWTH_MIB = 100.0
RARE = "needle in the hay"


def make_rows(rows: int) -> Iterator[list[Completion]]:
    chance = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chance.choices(letters, k=chance.randrange(2, 10))) for _ in range(5000)]
    for start in range(0, rows, AT_ONCE):
        yield [make_row(number, chance, words) for number in range(start, min(rows, start + AT_ONCE))]


def make_row(number: int, chance: random.Random, words: list[str]) -> Completion:
    """A question of 40 words and an answer of 40 to 160; every 50,000th answer holds a rare text."""
    n_words = chance.randrange(40, 160)
    answer = " ".join(chance.choices(words, k=n_words)) + (f" {RARE}." if number % 50_000 == 17 else "")
    is_right = chance.random() < 0.4
    facts = {
        "family": words[number % 7],
        "level": number % 5,
        "rollout": {"correct": is_right, "reward": float(is_right)},
    }
    return Completion(
        completion_id=f"{number:016x}",
        prompt_id=f"{number // 4:016x}",
        sample_index=number % 4,
        prompt=[Message("user", " ".join(chance.choices(words, k=40)))],
        completion=[Message("assistant", answer, " ".join(chance.choices(words, k=20)))],
        ground_truth=str(number % 1000),
        verifier="gsm8k",
        finish_reason=chance.choice(["stop", "stop", "length"]),
        n_prompt_tokens=50,
        n_completion_tokens=n_words,
        model=("ckpt/sft", "ckpt/dpo")[number // 2 % 2],
        revision="0123456789abcdef",
        engine="vllm",
        temperature=1.0,
        top_p=1.0,
        seed=chance.getrandbits(31),
        request_key=f"{chance.getrandbits(256):064x}",
        source="gsm8k",
        licence="MIT",
        metadata=canonical_json(facts).decode(),
    )


def make_version(home: Path, rows: int) -> None:
    folder = Folder.open(home / "ds")
    writer = ShardWriter(folder, "_builds/bench/data", Completion, units=["bench"])
    for part in make_rows(rows):
        writer.write(part)
    commit(folder, draft(rows, writer.close()))


def rss_mib() -> float:
    """Now, not at the peak."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def timed(name: str, work: Callable[[], object]) -> object:
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:<58} {wall:8.3f} s {cpu:8.3f} CPU s  {rss_mib():6.0f} MiB", flush=True)
    return found


def search(library: Library, query: list[tuple[str, str]]) -> object:
    """Call by call, as a page would, until every row was looked at."""
    calls = 0
    while True:
        calls += 1
        shown = page(library, "ds", parse_query(query), seconds=1.0)
        if shown.is_done or len(shown.rows) == shown.query.limit:
            return calls


def requests(rows: int, chance: random.Random) -> Callable[[Library], object]:
    """One of the mix: mostly pages and samples at random places."""
    at = chance.randrange(rows)
    kind = chance.random()
    if kind < 0.45:
        return lambda library: page(library, "ds", Query(offset=at, limit=50))
    if kind < 0.85:
        return lambda library: show_row(library, "ds", at)
    if kind < 0.93:
        wheres = [("where", f"metadata.level:is:{at % 5}"), ("where", "finish_reason:is:length"), ("limit", "20")]
        return lambda library: page(library, "ds", parse_query([*wheres, ("offset", str(at % 200))]))
    if kind < 0.96:
        return lambda library: statistics(library, "ds")
    return lambda library: (version_page(library, "ds"), list_datasets(library), lineage(library))


def load(library: Library, rows: int, rate: float, seconds: float) -> list[float]:
    """Seconds from when each request was due to its end. An error ends the thread that met it, and is printed."""
    taken: list[float] = []
    start = time.monotonic()
    lock, due = threading.Lock(), iter(range(int(rate * seconds)))

    def work(worker: int) -> None:
        chance = random.Random(worker)
        while True:
            with lock:
                number = next(due, None)
            if number is None:
                return
            wait = start + number / rate - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            requests(rows, chance)(library)
            taken.append(time.monotonic() - (start + number / rate))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def look(home: Path, rows: int) -> Library:
    library = Library(home)
    timed("open the version", lambda: page(library, "ds", Query()))
    timed("count all columns, once", lambda: statistics(library, "ds"))
    timed("again", lambda: statistics(Library(home), "ds"))
    timed("first page of a filter (a number)", lambda: page(library, "ds", a_filter("n_completion_tokens:above:150")))
    timed("search a rare text to the end", lambda: search(library, [("q", RARE), ("limit", "100")]))
    timed("the same again", lambda: search(library, [("q", RARE), ("limit", "100")]))
    timed("filter by a place of the metadata to the end", lambda: search(library, [("where", "metadata.level:is:9")]))
    timed("sort by a number, first page", lambda: search(library, [("sort", "-n_completion_tokens")]))
    timed("a row by its id", lambda: number_of(library, "ds", f"{rows - 5:016x}", seconds=10))
    sides = SideRef("ds", "ckpt/sft"), SideRef("ds", "ckpt/dpo")
    timed("compare two models", lambda: compare(library, *sides))
    timed("their pairs, the largest differences first", lambda: pairs(library, *sides, order="differing"))
    return library


def a_filter(where: str) -> Query:
    return parse_query([("where", where)])


def print_load(library: Library, args: argparse.Namespace) -> None:
    load(library, args.rows, args.rate, min(args.seconds, 10.0))  # row groups are decoded when they are first asked for
    before = rss_mib()
    cpu = time.process_time()
    taken = load(library, args.rows, args.rate, args.seconds)
    cpu = time.process_time() - cpu
    after = rss_mib()
    low, high = np.percentile(np.array(taken) * 1000, [50, 99])
    print(f"{len(taken)} requests at {args.rate:g}/s: p50 {low:.1f} ms, p99 {high:.1f} ms, {cpu:.1f} CPU s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory {before:.0f} MiB before, {after:.0f} after, {peak:.0f} at the most")
    is_met = high <= P99_MS and after - before <= GROWTH_MIB
    print(f"p99 at most {P99_MS:g} ms, growth at most {GROWTH_MIB:g} MiB: {'met' if is_met else 'NOT met'}")


def arguments(told: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--home", type=Path, default=None, help="a workspace to make the version in, and to keep it")
    return parser.parse_args()


@contextmanager
def made_version(args: argparse.Namespace) -> Iterator[Path]:
    """A workspace with the version `ds`, removed at the end unless it is to be kept."""
    home = args.home or Path(tempfile.mkdtemp(prefix="bench-looking-"))
    try:
        if not (home / "ds").is_dir():
            timed(f"make {args.rows:,} rows", lambda: make_version(home, args.rows))
        yield home
    finally:
        if args.home is None:
            shutil.rmtree(home)


def main() -> None:
    args = arguments(__doc__)
    with made_version(args) as home:
        print_load(look(home, args.rows), args)


if __name__ == "__main__":
    main()
