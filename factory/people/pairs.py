"""The pairs of a queue, from the rows of a version."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator
from itertools import combinations

from msgspec.structs import replace

from factory.people.queue import Item
from factory.sampling.request import derive_seed
from pipelines.groups import read_groups
from schemas.datasets import DatasetVersion, parse_ref
from schemas.errors import DataError
from schemas.records import Completion, PreferencePair

MOST_ANSWERS = 1000  # to one prompt: half a million pairs to draw from


def read_pairs(version: DatasetVersion, pairs_per_prompt: int | None, seed: int) -> Iterator[Item]:
    """In the order of the rows. Of preference pairs each row is one; of completions they are drawn for each prompt.

    Raises:
        DataError: the version holds something else, `pairs_per_prompt` does not fit it, or a pair is of one answer.
    """
    if version.record is PreferencePair:
        if pairs_per_prompt is not None:
            raise DataError(f"{version.name}: its rows are pairs already; leave out --pairs-per-prompt")
        return _of_pairs(version)
    if version.record is not Completion:
        raise DataError(f"{version.name}: holds {version.manifest.kind}; preference pairs or completions are needed")
    if pairs_per_prompt is None or pairs_per_prompt < 1:
        raise DataError(
            f"{version.name}: holds completions; say with --pairs-per-prompt how many to compare, 1 or more"
        )
    return _of_completions(version, pairs_per_prompt, seed)


def in_drawn_order(items: Iterable[Item], seed: int, limit: int | None = None) -> list[Item]:
    """Numbered in an order that the seed draws: whoever stops early has labelled a sample of all. `limit`: so many."""

    def place(item: Item) -> tuple[int, int, int]:
        return derive_seed(seed, "order", item.row_a, item.row_b), item.row_a, item.row_b

    ordered = sorted(items, key=place) if limit is None else heapq.nsmallest(limit, items, key=place)
    return [replace(item, number=number) for number, item in enumerate(ordered)]


def pinned(version: DatasetVersion, ref: str) -> str:
    """ "pairs@latest" -> "pairs@v3". What lies outside the workspace is named by its whole path."""
    location = parse_ref(ref).location
    outside = "/" in location or location.startswith((".", "~"))
    return f"{version.folder.location if outside else location}@v{version.manifest.version}"


def _of_pairs(version: DatasetVersion) -> Iterator[Item]:
    for row, pair in enumerate(version.records()):
        assert isinstance(pair, PreferencePair)
        ids = pair.completion_id_chosen, pair.completion_id_rejected
        if ids[0] == ids[1]:
            raise DataError(f"{version.name} row {row}: both answers have the id {ids[0]!r}; give each its own")
        yield _item(row, row, pair.prompt_id, ids)


def _of_completions(version: DatasetVersion, wanted: int, seed: int) -> Iterator[Item]:
    for placed in read_groups(version, 0, version.manifest.rows):
        answers = placed.group.completions
        if len(answers) > MOST_ANSWERS:
            raise DataError(f"{version.name} row {placed.start}: {len(answers):,} answers; at most {MOST_ANSWERS:,}")
        for i, j in _drawn(answers, wanted, derive_seed(seed, "pairs", placed.group.prompt.prompt_id, placed.start)):
            ids = answers[i].completion_id, answers[j].completion_id
            if ids[0] == ids[1]:
                raise DataError(f"{version.name} row {placed.start + j}: the completion {ids[0]!r} is there twice")
            yield _item(placed.start + i, placed.start + j, answers[i].prompt_id, ids)


def _drawn(answers: list[Completion], wanted: int, seed: int) -> list[tuple[int, int]]:
    """Pairs of answers that look different. Equal ones would only cost somebody's time."""
    shown = [[turn.content.strip() for turn in answer.completion] for answer in answers]
    pairs = [(i, j) for i, j in combinations(range(len(answers)), 2) if shown[i] != shown[j]]
    return sorted(random.Random(seed).sample(pairs, min(wanted, len(pairs))))


def _item(row_a: int, row_b: int, prompt_id: str, ids: tuple[str, str]) -> Item:
    return Item(number=0, row_a=row_a, row_b=row_b, prompt_id=prompt_id, completion_a=ids[0], completion_b=ids[1])
