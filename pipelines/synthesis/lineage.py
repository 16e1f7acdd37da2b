"""Where a made prompt comes from: kept in its metadata under `synthesis`, with the way of its seed inside."""

from __future__ import annotations

from typing import Any

from pipelines.ask import Answered
from schemas.canonical import canonical_json, prompt_id
from schemas.metadata import own_metadata
from schemas.records import Message, Prompt

KEY = "synthesis"


def from_model(member: Answered) -> dict[str, Any]:
    """Who wrote it, and under which request."""
    ref, drawn = member.drawer.model, member.drawn
    return {"model": ref.model, "revision": ref.revision, "request_key": drawn.request_key, "seed": drawn.seed}


def from_seed(seed: Prompt) -> dict[str, Any]:
    """Which prompt it was made of, and how that one was made if we made it."""
    found = {"seed_prompt_id": seed.prompt_id, "seed_source": seed.source, "seed_source_id": seed.source_id}
    earlier = own_metadata(seed).get(KEY)
    return found if earlier is None else {**found, "earlier": earlier}


def made_prompt(messages: list[Message], method: str, licence: str, lineage: dict[str, Any]) -> Prompt:
    """A prompt that a model wrote. It has no ground truth, and nothing of its seed's metadata holds for it."""
    return Prompt(
        prompt_id=prompt_id(messages),
        prompt=messages,
        source=method,
        source_id=str(lineage["request_key"]),
        licence=licence,
        metadata=canonical_json({KEY: {"method": method, **lineage}}).decode(),
    )
