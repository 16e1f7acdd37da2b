"""The prompts that were evaluated, out of their dataset version, and the groups that they fall into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from schemas.canonical import canonical_json
from schemas.metadata import own_metadata
from schemas.records import Prompt
from trainer.evaluate.prompts import read_prompts
from trainer.report.errors import ReportError
from trainer.report.stages import Stage

COLUMNS = ("source", "verifier")  # of a prompt, besides the keys of its metadata
DEFAULT = ("family", "level")
ABSENT = "none"
Label = tuple[str, ...]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """`labels`: a value for each key. `floor`: share of the most frequent ground truth; null where one is missing."""

    labels: Label
    prompt_ids: list[str]
    floor: float | None


class Groups(msgspec.Struct, frozen=True):
    """All evaluated prompts, each in one group."""

    keys: Label
    groups: list[Group]

    def first_labels(self) -> dict[str, str]:
        """By prompt: the first label of the group that it is in."""
        return {prompt: group.labels[0] for group in self.groups for prompt in group.prompt_ids}


def read_evaluated(stage: Stage, data: str | None, workspace: Path) -> dict[str, Prompt]:
    """The prompts of a stage's reports by id, in the order of the version. Every shard's bytes are checked.

    Raises:
        ReportError: the version is another than was evaluated, or lacks a prompt.
        DataError: no such version, or it was changed.
    """
    request = stage.reports[0].request
    text = data or f"{request.data.name}@v{request.data.version}"
    found = read_prompts(text, workspace, request.limit)
    if found.ref.sha256 != request.data.sha256:
        raise ReportError(
            f"{text} has sha256 {found.ref.sha256[:12]}, and {stage.paths[0]} was evaluated on one of "
            f"{request.data.sha256[:12]}; set FACTORY_HOME to the workspace it lies in, or name it with --data"
        )
    by_id = {prompt.prompt_id: prompt for prompt in found.prompts}
    if missing := sorted(stage.evals[0].rows.keys() - by_id.keys()):
        raise ReportError(f"{stage.paths[0]}: prompt {missing[0]} is not in {text}; evaluate again")
    return {name: prompt for name, prompt in by_id.items() if name in stage.evals[0].rows}


def group(prompts: Sequence[Prompt], by: str | None) -> Groups:
    """By the values of keys: paths into the metadata such as `family` or `entry.metadata.difficulty.num_terms`.

    Without `by`: by family and level where all prompts have them, else by source.

    Raises:
        ReportError: a key that no prompt has; lists some that there are.
        DataError: metadata that is no JSON object.
    """
    fields = [_fields(prompt) for prompt in prompts]
    keys = tuple(key.strip() for key in by.split(",")) if by else _default_keys(fields)
    for key in keys:
        if all(_value(each, key) is None for each in fields):
            raise ReportError(f"--by {key}: no prompt has it; there are {', '.join(_known(fields[0]))}")
    members: dict[Label, list[Prompt]] = {}
    for prompt, each in zip(prompts, fields, strict=True):
        members.setdefault(tuple(_shown(_value(each, key)) for key in keys), []).append(prompt)
    return Groups(keys, [_group(labels, members[labels]) for labels in sorted(members, key=_order)])


def _fields(prompt: Prompt) -> dict[str, Any]:
    return {**own_metadata(prompt), "source": prompt.source, "verifier": prompt.verifier}


def _default_keys(fields: Sequence[Mapping[str, Any]]) -> Label:
    there = tuple(key for key in DEFAULT if all(key in each for each in fields))
    return there if DEFAULT[0] in there else ("source",)


def _value(fields: Mapping[str, Any], key: str) -> object:
    """What stands at a path; None where nothing does."""
    found: object = fields
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _shown(value: object) -> str:
    if value is None:
        return ABSENT
    return value if isinstance(value, str) else canonical_json(value).decode()


def _order(labels: Label) -> list[tuple[bool, float, str]]:
    """Numbers by their size, before all words."""
    return [(False, float(one), one) if _is_number(one) else (True, 0.0, one) for one in labels]


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).removeprefix("-").isdigit()


def _group(labels: Label, prompts: Sequence[Prompt]) -> Group:
    truths = Counter(prompt.ground_truth for prompt in prompts)
    floor = None if None in truths else truths.most_common(1)[0][1] / len(prompts)
    return Group(labels=labels, prompt_ids=[prompt.prompt_id for prompt in prompts], floor=floor)


def _known(fields: Mapping[str, Any]) -> list[str]:
    return sorted(_paths(fields, ""))[:20]


def _paths(fields: Mapping[str, Any], above: str) -> Iterator[str]:
    for key, value in fields.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{above}{key}.")
        elif value is not None:
            yield f"{above}{key}"
