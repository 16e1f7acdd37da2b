import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.sampling.reasoning import split_reasoning

PLAIN = st.text(alphabet=st.characters(exclude_characters="<>", exclude_categories=["Cs"]), max_size=80)
HOSTILE = st.lists(st.sampled_from(["<think>", "</think>", "<think", "/think>", "\n", " ", "a", "\x00", "\u2028"])).map(
    "".join
)


@pytest.mark.parametrize(
    ("text", "opened", "expected"),
    [
        ("just an answer", False, (None, "just an answer", True)),
        ("<think>\nsix\n</think>\n\n7", False, ("six", "7", True)),
        ("  <think>six</think>7", False, ("six", "7", True)),
        ("six\n</think>\n7", True, ("six", "7", True)),
        ("<think>six</think>7", True, ("six", "7", True)),  # the model opens it again
        ("<think>six and", False, ("six and", "", False)),
        ("six and", True, ("six and", "", False)),
        ("<think></think>7", False, ("", "7", True)),
        ("<think>a</think>b</think>c", False, ("a", "b</think>c", True)),
        ("a </think> in the answer", False, (None, "a </think> in the answer", True)),
        ("see <think>not mine</think>", False, (None, "see <think>not mine</think>", True)),
        ("", True, ("", "", False)),
        ("", False, (None, "", True)),
    ],
)
def test_thoughts_and_answer(text, opened, expected):
    assert split_reasoning(text, opened) == expected


@given(PLAIN, PLAIN, st.booleans())
def test_what_was_put_together_comes_apart(reasoning, answer, opened):
    text = f"{reasoning}</think>{answer}" if opened else f"<think>{reasoning}</think>{answer}"
    assert split_reasoning(text, opened) == (reasoning.strip(), answer.strip(), True)


@given(HOSTILE, st.booleans())
def test_hostile_text_loses_nothing_and_gains_nothing(text, opened):
    reasoning, answer, closed = split_reasoning(text, opened)
    if reasoning is None:
        assert (answer, closed, opened) == (text, True, False)
        assert not text.lstrip().startswith("<think>")
    else:
        assert "</think>" not in reasoning
        assert closed == ("</think>" in text)
        assert closed or answer == ""
        left = text.lstrip().removeprefix("<think>") if text.lstrip().startswith("<think>") else text
        assert left.partition("</think>")[0].strip() == reasoning
        assert left.partition("</think>")[2].strip() == answer
