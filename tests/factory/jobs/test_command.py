"""What the words of a command say."""

import sys

import pytest

from factory.jobs.command import WITH_MAX_COST, argv, cap_of, check_command, out_of
from pipelines.registry import PIPELINES
from schemas.errors import DataError


def test_a_cap_becomes_a_flag():
    assert argv(["factory", "build", "traces"], 2.5)[1:] == [
        "-P",
        "-m",
        "factory.cli",
        "build",
        "traces",
        "--max-cost",
        "2.5",
    ]
    assert argv(["trainer", "sft"], None) == [sys.executable, "-P", "-m", "trainer.cli", "sft"]


def test_the_kinds_that_take_a_cap_are_those_that_ask_models_or_judges():
    assert set(PIPELINES) == WITH_MAX_COST


@pytest.mark.parametrize(
    ("words", "cap"),
    [("factory build prompts", 1.0), ("factory filter x", 1.0), ("trainer sft", 1.0), ("factory build traces", 0.0)],
)
def test_a_cap_that_cannot_be_held_is_refused(words, cap):
    with pytest.raises(DataError, match="cap"):
        check_command(words.split(), cap)


def test_a_cap_among_the_words_is_the_jobs_and_not_given_twice():
    words = ["factory", "build", "traces", "--max-cost=3"]
    assert cap_of(words, None) == 3.0
    assert argv(words, 3.0).count("--max-cost") == 0
    with pytest.raises(DataError, match="already"):
        check_command(words, 2.0)
    with pytest.raises(DataError, match="not a number"):
        cap_of(["factory", "build", "traces", "--max-cost", "much"], None)


@pytest.mark.parametrize(
    ("words", "out"),
    [
        ("factory build traces", "traces"),
        ("factory build traces --out a --out=b", "b"),
        ("factory dedupe x", None),
        ("trainer sft --out ckpt/sft", "ckpt/sft"),
    ],
)
def test_what_a_command_makes(words, out):
    assert out_of(words.split()) == out
