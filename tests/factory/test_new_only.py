"""`--new-only`: builds that take what has no row yet, against builds of everything at once."""

import random
from collections import Counter

import pytest

from factory.units import unfinished_builds
from schemas.commit import commit
from schemas.datasets import open_version
from schemas.folder import Folder
from tests.factory.judge_space import space
from tests.factory.model_endpoint import model_endpoint
from tests.factory.new_only_space import STEPS, TRACES, answers, build, made, questions, recorded
from tests.factory.store.made import draft
from tests.factory.test_same_seed import ASKING, PROMPT_WORDS, scripted

__all__ = ["recorded", "space"]

FIRST, ALL = 10, 24
USED = ("prompt", "completion")
KINDS = ["completions", "completions, each once", "traces", "verified pairs", "best-of", "pass-rate", "delta pairs"]


@pytest.fixture(autouse=True)
def small_units(monkeypatch):
    monkeypatch.setattr("factory.units.MIN_UNIT_ROWS", 4)


@pytest.fixture
def endpoint():
    with model_endpoint(scripted, jitter_s=0.01) as endpoint:
        yield endpoint


def prompts(space, numbers):
    """The next version of the prompts: these sums."""
    rows = [{"prompt": f"What is {number} - {number - number % 5}?", "answer": f"{number % 5}"} for number in numbers]
    made(space, "prompts", "--source", space.rows(rows, "sums.jsonl"), *PROMPT_WORDS)


def added(made):
    """A manifest's books as numbers that can be added."""
    books = Counter()
    for count in made["counters"]:
        name = count["stage"]
        books[name, "in"] += count["rows_in"]
        books[name, "out"] += count["rows_out"]
        for kind, number in {**count["dropped"], **count["failed"]}.items():
            books[name, kind] += number
    return books


@pytest.mark.parametrize("name", KINDS)
def test_two_steps_make_the_rows_of_one(space, endpoint, name):
    kind, recipe = ASKING[name]
    words = (kind, "--recipe", space.write("recipe.toml", recipe(endpoint.url)), "--set", "run.max_failed_share=1.0")
    prompts(space, range(FIRST))
    first = made(space, *words, "--out", "steps", "--new-only")
    prompts(space, range(ALL))
    words = (*words, "--data", "prompts@v2")
    second = made(space, *words, "--out", "steps", "--new-only")
    asked = list(endpoint.requests)
    whole = made(space, *words, "--out", "whole")
    assert space.records("steps@v2") == space.records("whole@v1")
    assert second["shards"][: len(first["shards"])] == first["shards"]
    assert (second["version"], second["parent"], first["parent"]) == (2, 1, None)
    assert [ref["version"] for ref in second["inputs"] if ref["name"] == "prompts"] == [1, 2]
    assert added(second) == added(whole)
    assert Counter(space.rejections("steps@v2")) == Counter(space.rejections("whole@v1"))
    if name != "delta pairs":  # which looks at a sample first: at another one of all
        assert endpoint.requests == asked  # every answer that a build of all needs, and each once
        assert [second["tokens"][key] for key in USED] == [whole["tokens"][key] for key in USED]
        more = second["tokens"]["completion"] - first["tokens"]["completion"]
        assert 0 < second["tokens"]["completion_asked"] <= more  # by this build alone
    assert second["report"]["appended"] == {"to": 1, "rows": second["rows"] - first["rows"]}
    assert space.run("datasets", "verify", "steps")[0] == 0
    assert space.run("datasets", "diff", "steps@v1", "steps@v2")[0] == 0


@pytest.mark.parametrize("kind", ["labels", "preference", "best-of"])
def test_groups_of_answers_are_new_by_their_prompts(space, kind):
    folder = Folder.open(space.home / "answers")
    later = [*answers([3]), *answers(range(20, 30)), *answers(range(6)), *answers(range(8, 19))]
    commit(folder, draft(folder, "early", answers(range(6)), name="answers"))
    commit(folder, draft(folder, "later", later, name="answers", per_shard=7))
    words = (kind, "--judge", "gsm8k") if kind == "labels" else (kind,)
    made(space, *words, "--data", "answers@v1", "--new-only")
    made(space, *words, "--data", "answers@v2", "--new-only")
    made(space, *words, "--data", "answers@v2", "--out", "whole")
    before = space.records(f"{kind}@v1")
    seen = {f"p{number}" for number in range(6)}
    assert {row.prompt_id for row in before} == seen
    new = [row for row in space.records("whole@v1") if row.prompt_id not in seen]
    assert len({row.prompt_id for row in new}) == 21
    assert space.records(f"{kind}@v2") == before + new


def test_nothing_new_is_no_version(recorded):
    questions(recorded, 12)
    first, said = build(recorded, *TRACES, "--new-only")
    again, told = build(recorded, *TRACES, "--new-only")
    assert (first["rows"], first["report"]) == (8, None)
    assert again == first
    assert ("nothing new: traces@v1 has all 12 prompts" in told, "nothing new" in said) == (True, False)
    (recorded.home / "traces" / "README.md").unlink()  # as a kill between a commit and its card would leave it
    assert build(recorded, *TRACES, "--new-only")[0] == first
    assert (recorded.home / "traces" / "README.md").exists()


def test_a_dry_run_tells_how_many_are_new(recorded):
    questions(recorded, 12)
    plan = made(recorded, *TRACES, "--new-only", "--dry-run")
    assert (plan["prompts"], plan["already"]) == (12, None)
    made(recorded, *TRACES, "--new-only")
    plan = made(recorded, *TRACES, "--new-only", "--dry-run")
    assert (plan["prompts"], plan["already"], plan["requests"]) == (0, 12, 0)
    questions(recorded, 17)
    plan = made(recorded, *TRACES, "--new-only", "--dry-run")
    assert (plan["prompts"], plan["already"]) == (5, 12)
    code, out, _ = recorded.run("build", *TRACES, "--new-only", "--dry-run")
    assert (code, "they are new; 12 are not" in out) == (0, True)
    assert open_version("traces", recorded.home).manifest.version == 1


def test_limit_takes_so_many_of_the_new(recorded):
    questions(recorded, 30)
    versions = [made(recorded, *TRACES, "--new-only", "--limit", "12") for _ in range(4)]
    assert [one["version"] for one in versions] == [1, 2, 3, 3]
    assert [one["rows"] for one in versions] == [8, 16, 20, 20]
    assert [row.messages[0].content for row in recorded.records("traces@v3")] == [f"q{n}" for n in range(30) if n % 3]


def test_what_a_rule_dropped_is_not_new_again(recorded):
    questions(recorded, 3)
    made(recorded, *TRACES, "--new-only")
    questions(recorded, 4)  # the fourth is dropped, too
    second, _ = build(recorded, *TRACES, "--new-only")
    assert (second["version"], second["rows"], len(recorded.rejections("traces@v2"))) == (2, 2, 2)
    assert second["report"]["lines"] == ["0 rows appended to the 2 of v1"]
    assert "nothing new" in build(recorded, *TRACES, "--new-only")[1]


def test_what_failed_is_new_again_and_no_error_when_it_fails_alone(space):
    refused = {"q1", "q2"}

    def speak(request):
        if request.messages[-1].content in refused:
            raise ValueError("not this one")
        return "an answer"

    with model_endpoint(speak) as endpoint:
        words = ("completions", "--data", "prompts@latest", "--policy", endpoint.url, "--model", "a", "--new-only")
        questions(space, 10)
        words = (*words, "--set", "run.max_failed_share=0.3")
        assert made(space, *words)["rows"] == 8
        same, said = build(space, *words)
        assert (same["version"], "completions@v1 stays: what failed before failed again" in said) == (1, True)
        refused.remove("q1")
        second = made(space, *words)
        assert (second["version"], second["rows"]) == (2, 9)
        questions(space, 12)
        refused |= {"q10", "q11"}  # news: more than half
        assert "3 of 3 failed at 'sample' with 'http_400'" in build(space, *words, code=3)[1]
        refused.clear()
        assert made(space, *words)["rows"] == 12
    books = open_version("completions", space.home).manifest.counters[0]
    assert (books.rows_in, books.rows_out, books.failed) == (10 + 2 + 3, 12, {"http_400": 3})
    assert len(space.rejections("completions@v3")) == 3


def test_new_rows_are_compared_with_those_that_are_there(space):
    chance = random.Random(7)
    essays = [" ".join(f"word{chance.randrange(10**6)}" for _ in range(60)) for _ in range(7)]
    texts = [f"{essays[number % 7]} {number}" for number in range(29)] + ["Where is it?"]
    space.rows([{"prompt": f"q{n}", "completion": text} for n, text in enumerate(texts)], "said.jsonl")
    space.rows([{"prompt": texts[-1]}], "evals.jsonl")
    words = ("completions", "--recipe", space.write("steps.toml", STEPS), "--policy", "replay:said.jsonl")
    words = (*words, "--set", "dedupe.compared='row'")
    for count in (9, 22, 30):
        questions(space, count)
        stepwise = made(space, *words, "--new-only", "--out", "steps")
    whole = made(space, *words, "--out", "whole")
    assert space.records("steps@v3") == space.records("whole@v1")
    assert Counter(space.rejections("steps@v3")) == Counter(space.rejections("whole@v1"))
    assert added(stepwise) == added(whole)
    assert [count["rows_out"] < count["rows_in"] for count in stepwise["counters"]] == [False, True, True]


PRICED = ("--set", "run.prices.a={prompt=1.0,completion=2.0}", "--set", "sampling.max_tokens=64")


def test_an_unfinished_build_of_yesterdays_prompts_is_gone_on_with_for_nothing(space, endpoint):
    words = ("completions", "--data", "prompts@latest", "--policy", endpoint.url, "--model", "a", *PRICED, "--new-only")
    questions(space, 40)
    build(space, *words, "--max-cost", "0.0003", code=4)
    paid = len(endpoint.requests)
    questions(space, 50)
    assert "sampling.max_tokens: 64 -> 32" in build(space, *words, "--set", "sampling.max_tokens=32", code=5)[1]
    found, said = build(space, *words)
    assert (found["rows"], found["version"], "dropped an unfinished build" in said) == (50, 1, True)
    assert 0 < paid < 40
    assert len(endpoint.requests) == 50
    assert not unfinished_builds(Folder.open(space.home / "completions"))


def test_shares_of_a_build_make_one_version(recorded):
    questions(recorded, 9)
    made(recorded, *TRACES, "--new-only")
    questions(recorded, 30)
    for index in range(2):
        code, _, err = recorded.run("build", *TRACES, "--new-only", "--shard", f"{index}/3")
        assert (code, "units are left" in err) == (0, True)
    assert made(recorded, *TRACES, "--new-only", "--shard", "2/3")["rows"] == 20


@pytest.mark.parametrize("kind", ["completions", "traces", "pass-rate"])
def test_a_solver_goes_on_with_more_tasks(space, kind):
    words = (kind, "--data", "prompts@latest", "--policy", "solver:reasoning-gym", "--n", "2", "--new-only")
    for size, rows in ((6, 6), (15, 15), (15, 15)):
        source = ("--source", "reasoning-gym:chain_sum", "--set", f"reasoning_gym.size={size}")
        made(space, "prompts", *source)
        found = made(space, *words)
        assert len({row.prompt_id for row in space.records(kind)}) == rows
    assert (found["version"], found["parent"]) == (2, 1)
    whole = made(space, *[word for word in words if word != "--new-only"], "--out", "whole")
    assert space.records(f"{kind}@v2") == space.records("whole@v1")
    assert found["shards"][0]["rows"] < whole["rows"]
