"""The two forms of a verdict, on answers whose forms differ."""

import json

import pytest

from factory.sampling.types import Answer
from judges.base import JudgeError, abstain
from judges.flex import has_two_forms
from judges.registry import make_verifier
from tests.judges.prompts import SHARED, needs_shared_data
from tests.trainer.evaluate.space import a_prompt
from trainer.evaluate.grading import grade


def answer(text, reasoning=None):
    return Answer(text=text, reasoning=reasoning, finish_reason="stop", n_prompt_tokens=1, n_completion_tokens=1)


async def forms(verifier, ground_truth, text, opened=False, reasoning=None, metadata=None):
    prompt = a_prompt("?", ground_truth, verifier, metadata)
    found = await grade(prompt, make_verifier(verifier), answer(text, reasoning), opened)
    return found.strict, found.flex


@pytest.mark.parametrize(
    ("verifier", "truth", "text", "strict", "flex"),
    [
        ("math", "18", "So the answer is 18.", True, True),
        ("math", "18", "We get $x = 18$ at last.", False, True),  # nothing states an answer
        ("math", "18", r"\boxed{17}. The final answer is 18", False, True),  # two answers
        ("math", "18", "So the answer is 17.", False, False),
        ("gsm8k", "... #### 18", "#### 18", True, True),
        ("gsm8k", "... #### 18", "She makes $18$ in the end, after 4 days.", False, True),
        ("gsm8k", "... #### 18", "She makes 17 after 4 days.", False, False),
        ("string_matcher", "Paris", "The answer is Paris", True, True),
        ("string_matcher", "Paris", "It may be Paris", False, False),  # one form
    ],
)
async def test_strict_and_flex(verifier, truth, text, strict, flex):
    assert await forms(verifier, truth, text) == (strict, flex)


LOW = "this is an answer in plain english, and it has no capital letter at all."


@pytest.mark.parametrize(
    ("text", "found"),
    [(LOW, (True, True)), (f"Sure:\n{LOW}", (False, True)), (LOW.title(), (False, False))],
)
async def test_the_loose_check_of_ifeval_is_its_flex_form(text, found):
    truth = json.dumps({"instruction_id_list": ["change_case:english_lowercase"], "kwargs": [{}]})
    assert await forms("ifeval", truth, text) == found


def test_which_verifiers_have_two():
    assert has_two_forms("math")
    assert not has_two_forms("regex")


class Undecided:
    name, isolated = "undecided", False

    def verify(self, prompt, text):
        return abstain("cannot tell")


async def test_an_abstention_is_neither_right_nor_wrong():
    found = await grade(a_prompt("?", "1"), Undecided(), answer("1"), False)
    assert (found.strict, found.flex, found.verdict, found.reason) == (None, None, "abstain", "cannot tell")


async def test_a_prompt_that_cannot_be_checked_is_an_error():
    with pytest.raises(JudgeError, match="needs a ground_truth"):
        await forms("gsm8k", None, "18")


@pytest.mark.parametrize(
    ("text", "opened", "right"),
    [
        ("I try 18", True, False),  # cut by length inside the thoughts: there is no answer yet
        ("I try 18", False, True),
        ("I try 17</think>\n\n18", True, True),
        ("<think>I try 18", True, False),
        ("<think>I try 17</think>18", False, True),
    ],
)
async def test_thoughts_are_not_graded_even_where_the_template_opened_them(text, opened, right):
    assert (await forms("gsm8k", "18", text, opened))[0] is right


async def test_thoughts_that_the_endpoint_divided_off_are_left_alone():
    assert await forms("gsm8k", "18", "18", opened=True, reasoning="I try 17") == (True, True)


@needs_shared_data
async def test_flex_is_right_wherever_strict_is_on_real_solutions():
    rows = [json.loads(line) for line in (SHARED / "gsm8k" / "test.jsonl").read_text().splitlines()[:60]]
    wordings = (
        "{}",
        "The answer is {}.",
        "{} dollars, or 3 a day",
        r"\boxed{{{}}} (not 5)",
        "It comes to ${}$ in 4 days",
    )
    counts = {"strict": 0, "flex": 0}
    for row in rows:
        truth = row["answer"].rpartition("####")[2].strip()
        for text in (row["answer"], *(wording.format(truth) for wording in wordings)):
            strict, flex = await forms("gsm8k", row["answer"], text)
            assert flex or not strict
            counts["strict"] += strict
            counts["flex"] += flex
    assert 4 * 60 < counts["strict"] < counts["flex"] <= 6 * 60
