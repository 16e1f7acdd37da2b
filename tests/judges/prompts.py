"""Prompts for the tests of judges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.records import Completion, Message, Prompt

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
needs_shared_data = pytest.mark.skipif(not SHARED.is_dir(), reason="shared data absent")


def a_prompt(ground_truth=None, metadata=None):
    return Prompt(
        prompt_id="p1",
        prompt=[Message("user", "How many?")],
        ground_truth=ground_truth,
        source="test",
        source_id="1",
        licence="unknown",
        metadata=metadata if metadata is None else json.dumps(metadata, default=str),
    )


def a_completion(completion_id, turns):
    return Completion(
        completion_id=completion_id,
        prompt_id="p1",
        sample_index=0,
        prompt=[Message("user", "How many?")],
        completion=turns,
        finish_reason="stop",
        n_prompt_tokens=1,
        n_completion_tokens=1,
        model="m",
        revision="r",
        engine="e",
        temperature=1.0,
        top_p=1.0,
        request_key="k",
        source="test",
        licence="unknown",
    )
