"""Builds that append, from recorded answers to questions of which a test makes more and more."""

import json

import pytest

from schemas.records import Message
from tests.schemas.rows import completion


def build(space, kind, *words, code=0):
    """What `--json` says of the build, and what stderr says."""
    found, out, err = space.run("build", kind, *words, "--json")
    assert found == code, err
    return (json.loads(out) if out else None), err


def made(space, kind, *words):
    return build(space, kind, *words)[0]


@pytest.fixture
def recorded(space):
    """30 questions, of which a recording answers every third in a way that `traces` drops: without a thought."""
    rows = [
        {"prompt": f"q{number}", "completion": "<think>hm</think>42" if number % 3 else "42"} for number in range(30)
    ]
    space.rows(rows, "said.jsonl")
    return space


def questions(space, count):
    made(space, "prompts", "--source", space.rows([{"prompt": f"q{number}"} for number in range(count)], "q.jsonl"))


TRACES = ("traces", "--data", "prompts@latest", "--policy", "replay:said.jsonl", "--set", "filter=[]")

STEPS = """
data = "prompts@latest"
[dedupe]
near = 0.7
[decontaminate]
compared = "row"
[[decontaminate.against]]
source = "evals.jsonl"
"""


def answers(numbers):
    """Two answers to each of these questions, the first right."""
    return [
        completion(
            2 * number + place,
            prompt_id=f"p{number}",
            prompt=[Message("user", f"Question {number}?")],
            completion=[Message("assistant", f"It is #### {3 + place}")],
            ground_truth="3",
            verifier="gsm8k",
        )
        for number in numbers
        for place in range(2)
    ]
