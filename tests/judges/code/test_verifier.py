"""The verifier `code`: forms of ground truth, what is taken from an answer, outcomes, scores, and where it runs."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from judges.base import Group, JudgeError, VerifierJudge
from judges.code.verifier import Code
from judges.registry import make_verifier
from schemas.records import Message
from tests.judges.prompts import a_completion, a_prompt
from tests.judges.sandbox.machine import needs_level

ADD = {
    "entry_point": "add",
    "tests": [{"args": [1, 2], "expected": 3}, {"args": [2], "kwargs": {"y": 5}, "expected": 7}],
}
GOOD = "def add(x, y):\n    return x + y"


@pytest.fixture(autouse=True)
def sandbox():
    needs_level("landlock")


def verify(truth, text, **options):
    return Code(**options).verify(a_prompt(truth if isinstance(truth, str) else json.dumps(truth)), text)


FORMS = {
    "calls": (ADD, GOOD),
    "calls by line": ([{"input": "1\n[2, 3]\n", "output": "[1, 2, 3]", "fn_name": "f"}], "def f(x, y): return [x, *y]"),
    "a LeetCode class": (
        [{"input": "3", "output": "9", "fn_name": "square"}],
        "class Solution:\n    def square(self, x: int) -> int:\n        return x * x",
    ),
    "asserts": (["assert add(1, 2) == 3", "assert add('a', 'b') == 'ab'"], GOOD),
    "asserts with a name": ({"entry_point": "add", "tests": ["assert add(1, 2) == 3"]}, GOOD),
    "asserts with a setup": ({"setup": "ONE = 1", "tests": ["assert f() == ONE"]}, "def f(): return ONE"),
    "a row of HumanEval": (
        {
            "task_id": "x/1",
            "entry_point": "add",
            "prompt": 'from typing import List\n\n\ndef add(x: int, y: int) -> int:\n    """Adds."""\n',
            "canonical_solution": "    return x + y\n",
            "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
        },
        "def add(x: List[int], y: int) -> int:\n    return x + y",
    ),
    "a program": ({"stdin": "1 2\n", "stdout": "3\n"}, "print(sum(map(int, input().split())))"),
    "programs": ([{"stdin": "1", "stdout": "1"}, {"stdin": "2", "stdout": "2"}], "print(input())"),
    "programs by line": ([{"input": "1\n2\n", "output": "3.0\n"}], "print(int(input()) + int(input()))"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_ground_truth(form):
    truth, good = FORMS[form]
    assert verify(truth, f"So:\n```python\n{good}\n```\n").verdict == "correct"
    assert verify(truth, "```python\ndef add(x, y): return 0\nf = square = add\nprint(0)\n```").verdict == "wrong"


def test_humanevals_body_may_be_all_that_is_answered():
    truth, _ = FORMS["a row of HumanEval"]
    assert verify(truth, "    return x + y\n").verdict == "correct"
    assert verify(truth, "```python\n    return x + y\n```").verdict == "correct"
    assert verify(truth, "    return x - y\n").verdict == "wrong"


@pytest.mark.parametrize(
    ("truth", "reason"),
    [
        (None, "needs a ground_truth"),
        ("no json", "not what code takes"),
        ("3", "neither an object nor a list"),
        ("[]", "must be a list of asserts"),
        ('{"tests": []}', "must be a list of asserts"),
        ('{"entry_point": "f"}', "no `test`, `tests` or `stdin` among its keys: entry_point"),
        ('{"test": "def check(c): pass"}', "`test` needs an `entry_point`"),
        ('{"tests": [{"args": [1], "expected": 2}]}', "with an `entry_point`"),
        ('{"entry_point": "f", "tests": [{"args": [1]}]}', "missing required field `expected`"),
        ('{"entry_point": "f", "tests": [{"arg": [1], "expected": 2}]}', "unknown field `arg`"),
        ('{"entry_point": 3, "tests": ["assert 1"]}', "`entry_point` must be a text"),
        ('{"stdin": "1"}', "missing required field `stdout`"),
        ('[{"input": "x", "output": "1", "fn_name": "f"}]', "not what code takes"),
        ('["assert f(1) == 2", 3]', "Expected `str`"),
        ("[" * 100_000, "not what code takes"),
        ('["assert f("]', "does not compile"),
        ('{"entry_point": "f", "test": "def check(c):\\n    import no_such_thing\\n"}', "not installed here"),
    ],
)
def test_a_ground_truth_that_cannot_be_used_is_an_error(truth, reason):
    with pytest.raises(JudgeError) as error:
        Code().verify(a_prompt(truth), "def f(x): return 1")
    assert error.value.kind in ("bad_ground_truth", "no_ground_truth")
    assert "prompt p1" in error.value.reason
    assert reason in error.value.reason


@pytest.mark.parametrize(
    ("text", "outcome", "reason"),
    [
        (GOOD, "pass", "2 of 2 tests pass"),
        ("def add(x, y): return x", "wrong", "test 1 of 2: wrong: returned 1, not 3"),
        ("def add(x, y): return 3", "wrong", "test 2 of 2: wrong: returned 3, not 7"),
        ("def add(x, y):\n    while True: pass", "timeout", "no result within 0.5 s"),
        ("def add(x, y): return bytearray(1 << 40)", "memory", "ran out of memory"),
        ("import os\ndef add(x, y): os._exit(0)", "crash", "ended itself with status 0"),
        ("class Any(int):\n  def __eq__(s, o): return True\ndef add(x, y): return Any()", "tampered", "'Any'"),
        ("", "wrong", "no code in the answer"),
        ("The sum of x and y.", "wrong", "no code in the answer"),
        ("```c\nint add(int x, int y);\n```", "wrong", "no code in the answer"),
        ("<think>\n```python\n" + GOOD + "\n```\n</think>\nI do not know.", "wrong", "no code in the answer"),
        ("<think>\n```python\n" + GOOD + "\n```", "wrong", "no code in the answer"),
        ("def add(x, y: return", "wrong", "no code in the answer"),
        ("```python\ndef add(x, y: return\n```", "crash", "raises SyntaxError"),
    ],
)
def test_outcomes(text, outcome, reason):
    found = verify(ADD, text, timeout_s=0.5)
    assert found.metadata["outcome"] == outcome
    assert reason in found.reason
    assert (found.score, found.verdict) == ((1.0, "correct") if outcome == "pass" else (0.0, "wrong"))


def test_the_level_and_the_counts_are_on_record():
    found = verify(ADD, "def add(x, y): return 3")
    assert found.metadata["level"] in ("ns+landlock", "landlock")
    assert (found.metadata["tests"], found.metadata["passed"]) == (2, 1)


@pytest.mark.parametrize("form", ["calls", "asserts", "programs"])
def test_the_share_of_tests_that_pass(form):
    """Each death of the answer's process costs the test that it happened in, and no other."""
    truth = {
        "calls": {"entry_point": "f", "tests": [{"args": [n], "expected": n} for n in range(5)]},
        "asserts": [f"assert f({n}) == {n}" for n in range(5)],
        "programs": [{"stdin": str(n), "stdout": str(n)} for n in range(5)],
    }[form]
    text = """
import os

def f(x):
    if x == 1: os._exit(0)
    if x == 2:
        while True: pass
    return 4 if x == 3 else x

if __name__ == "__main__":
    print(f(int(input())))
"""
    found = verify(truth, text, score="fraction", timeout_s=3.0)
    assert (found.score, found.verdict) == (0.4, "wrong")
    assert (found.metadata["passed"], found.metadata["pass_rate"]) == (2, 0.4)
    assert "test 2 of 5: " in found.reason
    stopped = verify(truth, text, timeout_s=3.0)
    assert (stopped.score, stopped.metadata["passed"]) == (0.0, 1)


def test_an_answer_that_cannot_be_loaded_fails_every_test_at_once():
    truth = {"entry_point": "f", "tests": [{"args": [n], "expected": n} for n in range(1000)]}
    found = verify(truth, "```python\nwhile True: pass\n```", score="fraction", timeout_s=0.5)
    assert (found.score, found.metadata["outcome"], found.metadata["tests"]) == (0.0, "timeout", 1000)


def test_all_tests_together_have_a_bound():
    truth = {"entry_point": "f", "tests": [{"args": [n], "expected": n} for n in range(100)]}
    found = verify(
        truth, "def f(x):\n    while x: pass\n    return x", score="fraction", timeout_s=1.0, total_timeout_s=3.0
    )
    assert (found.metadata["passed"], found.metadata["outcome"]) == (1, "timeout")


def test_tolerance_and_tuples_are_options():
    tests = [{"args": [], "expected": [0.3, 1]}]
    text = "def f(): return (0.1 + 0.2, True + 0)"
    truth = {"entry_point": "f", "tests": tests}
    assert verify(truth, text).verdict == "wrong"
    assert verify(truth, text, tolerance=1e-9).verdict == "correct"
    assert verify(truth, text, tolerance=1e-9, tuples_as_lists=False).verdict == "wrong"


def test_options_by_name():
    assert make_verifier("code", {"score": "fraction", "timeout_s": 2}).timeout_s == 2
    with pytest.raises(ValueError, match=r"verifier code: .*`sandbox`"):
        make_verifier("code", {"sandbox": "none"})
    with pytest.raises(ValueError, match="verifier code"):
        make_verifier("code", {"score": "most"})


def graded(number):
    text = GOOD if number % 2 else "def add(x, y):\n    return {x, y}"
    found = Code().verify(a_prompt(json.dumps(ADD)), text)
    return found.verdict, found.reason


def test_the_same_verdict_in_threads_and_processes():
    expected = [graded(number) for number in range(4)]
    assert [verdict for verdict, _ in expected] == ["wrong", "correct"] * 2
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(graded, range(4))) == expected
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        assert list(processes.map(graded, range(4))) == expected


async def test_a_group_is_judged_side_by_side():
    texts = [GOOD, "def add(x, y): return 0", "", GOOD]
    completions = [a_completion(f"c{n}", [Message("assistant", text)]) for n, text in enumerate(texts)]
    found = await VerifierJudge(Code()).judge(Group(a_prompt(json.dumps(ADD)), completions))
    assert [judgement.verdict for judgement in found] == ["correct", "wrong", "wrong", "correct"]
    assert json.loads(found[0].metadata)["outcome"] == "pass"
    assert threading.active_count() < 40


HOSTILE_TEXTS = {
    "a megabyte of prose": "word " * 200_000,
    "brackets": "(" * 1_000_000,
    "fences": "```\n" * 250_000,
    "a line of backticks": "```" + "a" * 500_000 + "`" + "b" * 500_000,
    "fences in one line": "``` " * 250_000,
    "surrogates": "\ud800" * 1000,
    "NULs": "\x00" * 1000,
    "bidi controls": "\u202e\u2066def f(): pass",
    "nested f-strings": 'f"' * 50_000,
    "minus signs": "-" * 1_000_000 + "1",
    "a deep tree": "x = " + "[" * 90 + "]" * 90 + "\n" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_hostile_texts_are_wrong_and_nothing_more(name):
    for text in (HOSTILE_TEXTS[name], f"```python\n{HOSTILE_TEXTS[name]}\n```"):
        assert verify(ADD, text, timeout_s=2.0).verdict == "wrong"


def test_a_machine_that_runs_out_of_files_is_an_error():
    assert verify(ADD, GOOD).verdict == "correct"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open("/dev/null", os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(JudgeError, match=r"prompt p1: .*Too many open files") as error:
            verify(ADD, GOOD)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert error.value.kind == "sandbox_failed"
    assert verify(ADD, GOOD).verdict == "correct"
