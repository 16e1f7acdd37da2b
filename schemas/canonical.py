"""Identity: one byte string for one value, and its hash."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from schemas.records import Message

_encoder = msgspec.json.Encoder(order="sorted")


def canonical_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON value or record
    """UTF-8 JSON with sorted keys and no spaces. Equal values give equal bytes."""
    return _encoder.encode(value)


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def short_hash(value: Any) -> str:  # noqa: ANN401 - any JSON value or record
    """16 hex digits: an id within one dataset (a collision among 10^6 rows has a chance of about 3e-8)."""
    return sha256_hex(canonical_json(value))[:16]


def prompt_id(messages: list[Message]) -> str:
    """The id of a prompt is the hash of its messages."""
    return short_hash([[turn.role, turn.content, turn.reasoning] for turn in messages])
