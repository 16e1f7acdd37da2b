"""The metadata of rows: what the prompt brought, and what whoever made the row found out beside it."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.canonical import canonical_json
from schemas.errors import DataError
from schemas.records import Prompt, Trace

# What kinds that make several rows of a prompt write into each: no part of what was asked.
OF_ONE_ROW = ("best_of", "pass_rate", "rollout", "trace")


def with_metadata(prompt: Prompt, more: dict[str, Any]) -> str:
    """The prompt's own metadata, which verifiers read, and `more`. Raises DataError when it is no JSON object."""
    return canonical_json({**own_metadata(prompt), **more}).decode()


def with_row_facts(row: Trace, key: str, facts: dict[str, Any]) -> Trace:
    """The row with `facts` beside those that stand under `key` in its metadata. Raises DataError as above."""
    fields = own_metadata(row)
    fields[key] = {**fields.get(key, {}), **facts}
    return msgspec.structs.replace(row, metadata=canonical_json(fields).decode())


def own_metadata(row: Prompt | Trace) -> dict[str, Any]:
    """Raises DataError when it is no JSON object."""
    try:
        return msgspec.json.decode(row.metadata or "{}", type=dict[str, Any])
    except msgspec.MsgspecError as err:
        raise DataError(f"prompt {row.prompt_id}: its metadata is no JSON object ({err})") from err


def of_the_prompt(metadata: str | None) -> str | None:
    """The metadata without what a kind wrote of a single row, in canonical form: rows of one prompt have the same."""
    if metadata is None:
        return None
    try:
        fields = msgspec.json.decode(metadata, type=dict[str, Any])
    except msgspec.MsgspecError:  # no object, so nothing of ours
        return metadata
    own = {key: value for key, value in fields.items() if key not in OF_ONE_ROW}
    return canonical_json(own).decode() if own else None
