"""Rows of a version as groups: all completions of one prompt, as judges take them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import msgspec

from judges.base import Group
from schemas.datasets import DatasetVersion
from schemas.errors import DataError
from schemas.metadata import of_the_prompt
from schemas.records import Completion, Message, PreferencePair, Prompt, Record, Trace

GROUPED = (Completion, Trace, PreferencePair)  # kinds of record that groups are made of


class PlacedGroup(msgspec.Struct, frozen=True):
    """A group, and the rows of the version that it is made of: `start` up to `stop`."""

    start: int
    stop: int
    group: Group


def read_groups(version: DatasetVersion, start: int, stop: int) -> Iterator[PlacedGroup]:
    """The groups whose first row is one of `start` to `stop`, whole even where they reach beyond `stop`.

    Rows that follow each other and answer the same prompt are one group; a pair is a group by itself.

    Raises:
        DataError: the version holds another kind of record.
    """
    if version.record not in GROUPED:
        raise DataError(f"{version.name}: holds {version.manifest.kind}; completions, traces or pairs are needed")
    at = max(start - 1, 0)
    rows = enumerate(version.records(at), start=at)
    for _, run in groupby(rows, key=lambda row: _asked(*row)):
        (first, record), *others = run
        if first < start:
            continue  # the row before us: its group is not ours
        if first >= stop:
            return
        members = [record, *(member for _, member in others)]
        yield PlacedGroup(first, first + len(members), _to_group(members))


def _asked(row: int, record: Record) -> tuple[object, ...]:
    """What makes two rows that follow each other one group. Equal prompts may come with two ground truths."""
    if isinstance(record, (Completion, Trace)):
        return record.prompt_id, record.ground_truth, of_the_prompt(record.metadata)
    return (row,)


def _to_group(members: list[Record]) -> Group:
    completions = [one for member in members for one in to_completions(member)]
    return Group(_to_prompt(completions[0]), completions)


def _to_prompt(row: Completion) -> Prompt:
    """The prompt of a completion: all of it but its id at its source, which completions do not keep."""
    return Prompt(
        prompt_id=row.prompt_id,
        prompt=row.prompt,
        ground_truth=row.ground_truth,
        verifier=row.verifier,
        source=row.source,
        source_id="",
        licence=row.licence,
        metadata=of_the_prompt(row.metadata),
    )


def to_completions(row: Record) -> list[Completion]:
    """What a judge judges in a row: one completion, or the chosen and the rejected one of a pair."""
    match row:
        case Completion():
            return [row]
        case Trace():
            return [_of_trace(row)]
        case PreferencePair():
            return [_of_pair(row, "chosen"), _of_pair(row, "rejected")]
        case _:
            raise TypeError(f"{type(row).__name__} holds no completion")


def _of_trace(row: Trace) -> Completion:
    shared = {name: getattr(row, name) for name in Completion.__struct_fields__ if hasattr(row, name)}
    shared |= {"completion_id": row.trace_id, "prompt": row.messages[:-1], "completion": row.messages[-1:]}
    return Completion(**shared)


def _of_pair(row: PreferencePair, side: str) -> Completion:
    def of(name: str) -> str:
        return str(getattr(row, f"{name}_{side}"))

    turns: list[Message] = getattr(row, side)
    return Completion(
        completion_id=of("completion_id"),
        prompt_id=row.prompt_id,
        sample_index=0,
        prompt=row.prompt,
        completion=turns,
        ground_truth=row.ground_truth,
        verifier=row.verifier,
        finish_reason="stop",
        n_prompt_tokens=row.n_prompt_tokens,
        n_completion_tokens=getattr(row, f"n_{side}_tokens"),
        model=of("model"),
        revision=of("revision"),
        engine="",
        request_key="",
        source=row.source,
        licence=row.licence,
        metadata=row.metadata,
    )
