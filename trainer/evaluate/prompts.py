"""The prompts of a dataset version, each with what its verifier needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from judges.base import Verifier
from judges.registry import make_verifier
from schemas.datasets import open_version
from schemas.manifest import InputRef
from schemas.records import Completion, Message, PassRate, PreferencePair, Prompt, Record
from trainer.data.sources import check_shard
from trainer.evaluate.errors import EvalError

READABLE = (Prompt, PassRate, Completion, PreferencePair)  # the records that have a prompt of their own


class PromptSet(msgspec.Struct, frozen=True):
    """`skipped`: prompts that were left out because they name no verifier."""

    ref: InputRef
    prompts: list[Prompt]
    skipped: int = 0

    @property
    def name(self) -> str:
        return f"{self.ref.name}@v{self.ref.version}"


def read_prompts(text: str, workspace: Path, limit: int | None = None) -> PromptSet:
    """The first `limit` different prompts of a version, in order. Every shard's bytes are checked.

    Raises:
        DataError: no such version, or bytes that are not those that were committed.
        EvalError: a kind without prompts, no rows, or one prompt with two ground truths.
    """
    version = open_version(text, workspace)
    if version.record not in READABLE:
        raise EvalError(f"{text}: a version of {version.manifest.kind}; give prompts or pass-rate")
    for shard in version.manifest.shards:
        check_shard(version.folder, shard)
    prompts: dict[str, Prompt] = {}
    for prompt in map(to_prompt, version.records()):
        known = prompts.setdefault(prompt.prompt_id, prompt)
        if (known.ground_truth, known.verifier) != (prompt.ground_truth, prompt.verifier):
            raise EvalError(
                f"{text}: prompt {prompt.prompt_id} has two ground truths or verifiers; keep one of its rows"
            )
        if len(prompts) == limit:
            break
    if not prompts:
        raise EvalError(f"{text}: no rows; give a version that has some")
    return PromptSet(version.ref, list(prompts.values()))


def to_prompt(row: Record) -> Prompt:
    """The prompt of a row that has one, without what the row says of answers."""
    if isinstance(row, Prompt):
        return row
    assert isinstance(row, PassRate | Completion | PreferencePair)
    return Prompt(
        prompt_id=row.prompt_id,
        prompt=row.prompt,
        ground_truth=row.ground_truth,
        verifier=row.verifier,
        source=row.source,
        source_id=row.prompt_id,
        licence=row.licence,
        metadata=row.metadata,
    )


def under_system_prompt(prompts: Sequence[Prompt], system_prompt: str | None) -> Sequence[Prompt]:
    """The prompts as they are asked: `system_prompt`, if there is one, in place of their own. Ids stay."""
    if system_prompt is None:
        return prompts
    system = Message("system", system_prompt)
    return [
        msgspec.structs.replace(prompt, prompt=[system, *(turn for turn in prompt.prompt if turn.role != "system")])
        for prompt in prompts
    ]


def only_verified(found: PromptSet, skip: bool) -> PromptSet:
    """The prompts that name a verifier. Raises EvalError where some do not and they may not be skipped."""
    bare = [prompt for prompt in found.prompts if prompt.verifier is None]
    if not bare:
        return found
    kept = [prompt for prompt in found.prompts if prompt.verifier is not None]
    counted = (
        f"{found.name}: {len(bare)} of {len(found.prompts)} prompts name no verifier (the first: {bare[0].prompt_id})"
    )
    if not kept:
        raise EvalError(f"{counted}; build the prompts with --verifier NAME")
    if not skip:
        raise EvalError(f"{counted}; build the prompts with --verifier NAME, or leave them out with --skip-unverified")
    return PromptSet(found.ref, kept, len(bare))


def verifiers_of(found: PromptSet) -> dict[str, Verifier]:
    """By name, each made once. Raises EvalError for a name that there is not."""
    made: dict[str, Verifier] = {}
    for prompt in found.prompts:
        name = prompt.verifier or ""
        try:
            made[name] = made.get(name) or make_verifier(name)
        except ValueError as err:
            raise EvalError(f"{found.name}: prompt {prompt.prompt_id}: {err}") from err
    return made
