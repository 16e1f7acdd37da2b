"""The identity of a request: what its answer is kept under, and the seed it is drawn with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import msgspec

from factory.sampling.errors import RowError
from factory.sampling.types import Answer, SamplingParams
from schemas.canonical import canonical_json
from schemas.manifest import ModelRef
from schemas.records import Message

SEED_BITS = 31  # every engine and provider takes a positive 32-bit integer


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of a group, with the request it answers. `asked` is False when the ledger already had it."""

    sample_index: int
    request_key: str  # sha256, 64 hex digits
    seed: int | None
    answer: Answer
    asked: bool


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """A request of a group that no answer can be had for."""

    sample_index: int
    error: RowError


class Drawer(Protocol):
    """A model that pipelines draw groups from: each answer is kept before it is used, and asked for once."""

    @property
    def model(self) -> ModelRef: ...

    async def draw(
        self, messages: list[Message], n: int, params: SamplingParams, row_seed: int
    ) -> list[Drawn | Missed]:
        """Answers 0..n-1 to `messages`, in order. Raises `RunError` when no row can succeed."""
        ...


def derive_seed(*parts: object) -> int:
    """A seed that depends on `parts` alone, so that a partial rerun draws what the full run drew."""
    digest = hashlib.sha256(canonical_json(parts)).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - SEED_BITS)


class RequestKeys:
    """Request keys of one model. All that can change an answer is in the key, run-time settings are not."""

    def __init__(self, model: ModelRef) -> None:
        self._model = canonical_json([model.model, model.revision, model.chat_template_sha256])

    def group(self, messages: Sequence[Message], n: int, params: SamplingParams) -> list[str]:
        """The keys of samples 0..n-1. `params.seed` is the row's: a sample's own follows from it and the index."""
        prefix = hashlib.sha256(self._model)
        prefix.update(canonical_json([messages, params]))
        keys = []
        for index in range(n):
            whole = prefix.copy()
            whole.update(b"#%d" % index)
            keys.append(whole.hexdigest())
        return keys
