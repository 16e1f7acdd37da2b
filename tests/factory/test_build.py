"""`factory build` as a person runs it, against a real server: what goes on, what is refused, what it costs."""

import json

import pytest

from factory.cli import main
from tests.faults.harness import questions, serving


@pytest.fixture(scope="module")
def server():
    with serving(latency_s=0.005) as server:
        yield server


@pytest.fixture
def space(tmp_path, monkeypatch, capsys, server):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    return Space(tmp_path, capsys, server)


class Space:
    """A workspace with 60 prompts, and `factory` in this process."""

    def __init__(self, home, capsys, server):
        self.home, self.capsys, self.server = home, capsys, server
        self.prompts(questions(60))

    def prompts(self, texts):
        file = self.home / "prompts.jsonl"
        file.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
        assert self.run("build", "prompts", "--source", file, "--out", "prompts")[0] == 0

    def run(self, *words):
        """Exit code, stdout, stderr."""
        code = main([str(word) for word in words])
        out, err = self.capsys.readouterr()
        return code, out, err

    def build(self, *words, kind="completions"):
        return self.run("build", kind, "--data", "prompts@v1", "--policy", self.server.endpoint, *words)

    def made(self, *words, kind="completions"):
        code, out, err = self.build(*words, "--json", kind=kind)
        assert code == 0, err
        return json.loads(out)

    def asked(self):
        return self.server.stats()["requests"]


def test_the_same_build_is_committed_once(space):
    first, second = space.made(), space.made()
    assert first["sha256"] == second["sha256"]
    assert first["rows"] == 60
    assert space.run("datasets", "verify", "completions@v1")[0] == 0


def test_the_manifest_tells_where_its_rows_come_from(space):
    made = space.made("--n", "2", "--limit", "10")
    assert (made["rows"], made["recipe"]["n"], made["recipe"]["limit"]) == (20, 2, 10)
    prompts = json.loads(space.run("datasets", "show", "prompts@v1", "--json")[1])
    assert made["inputs"] == [{"name": "prompts", "version": 1, "sha256": prompts["sha256"]}]
    [model] = made["models"]
    assert (model["model"], model["engine"]) == ("hostile", "openai")
    assert made["counters"] == [{"stage": "sample", "rows_in": 20, "rows_out": 20, "dropped": {}, "failed": {}}]
    assert made["tokens"]["completion"] == made["tokens"]["completion_asked"] > 0


def test_answers_from_the_ledger_are_no_longer_asked_for(space):
    space.made("--out", "one")
    before = space.asked()
    made = space.made("--out", "two")
    assert space.asked() == before
    assert made["tokens"]["completion_asked"] == 0 < made["tokens"]["completion"]


def test_a_dry_run_says_what_would_be_asked_and_asks_nothing(space):
    space.made("--limit", "20")
    before = space.asked()
    code, out, _ = space.build("--dry-run", "--json", "--set", "run.prices.hostile={prompt=1.0,completion=2.0}")
    assert (code, space.asked()) == (0, before)
    plan = json.loads(out)
    [model] = plan["models"]
    assert (plan["prompts"], plan["requests"], model["in_ledger"]) == (60, 40, 20)
    likely = model["prompt_tokens"] * 1e-6 + model["completion_tokens"]["likely"] * 2e-6
    assert plan["usd"]["likely"] == pytest.approx(likely)
    assert plan["usd"]["low"] <= plan["usd"]["likely"] <= plan["usd"]["high"]


def test_max_cost_stops_before_it_is_passed_and_a_larger_one_goes_on(space):
    price = ("--set", "run.prices.hostile={prompt=1.0,completion=2.0}", "--set", "sampling.max_tokens=64")
    code, _, err = space.build(*price, "--max-cost", "0.001")
    assert code == 4
    assert "of $0.0010 spent" in err
    asked = space.asked()
    made = space.made(*price, "--max-cost", "1")
    assert made["rows"] == 60
    assert 0.001 < made["cost"]["usd"] < 1
    tokens = made["tokens"]
    assert made["cost"]["usd"] == pytest.approx(tokens["prompt"] * 1e-6 + tokens["completion"] * 2e-6)
    assert space.asked() - asked < 60  # what the first run paid for was not asked again


def test_max_cost_without_a_price_is_refused(space):
    code, _, err = space.build("--max-cost", "1")
    assert code == 2
    assert '[run.prices."hostile"]' in err


def test_a_changed_recipe_beside_an_unfinished_build_is_refused_with_its_keys(space):
    price = ("--set", "run.prices.hostile={prompt=1.0,completion=2.0}")
    assert space.build(*price, "--max-cost", "0.0001")[0] == 4
    code, _, err = space.build("--set", "sampling.temperature=0.5", "--set", "seed=4")
    assert code == 5
    assert "sampling.temperature: 1.0 -> 0.5" in err
    assert "seed: 0 -> 4" in err
    assert space.build("--set", "seed=4", "--set", "sampling.temperature=0.5", "--abandon")[0] == 0


def test_again_asks_only_for_rows_that_failed(space):
    space.prompts([*questions(60), "POISON one", "POISON two"])
    space.server.change(poison="POISON")
    words = ("build", "completions", "--data", "prompts@v2", "--policy", space.server.endpoint, "--json")
    first = json.loads(space.run(*words)[1])
    assert (first["rows"], first["counters"][0]["failed"]) == (60, {"http_400": 2})
    space.server.change(poison="NO SUCH WORD")
    before = space.asked()
    second = json.loads(space.run(*words, "--again")[1])
    assert (second["version"], second["rows"], space.asked() - before) == (2, 62, 2)
    space.server.change(poison="POISON")


def test_too_many_failures_publish_nothing_and_are_asked_again(space):
    space.server.change(poison="question")
    code, _, err = space.build()
    assert code == 3
    assert "60 of 60 failed at 'sample' with 'http_400'" in err
    assert not (space.home / "completions" / "_manifests").exists()
    space.server.change(poison="POISON")
    assert space.made()["rows"] == 60


def test_shards_of_units_are_folded_by_the_last_process(space):
    space.prompts(questions(2500))
    words = ("build", "completions", "--data", "prompts@v2", "--policy", space.server.endpoint)
    for index in range(2):
        code, _, err = space.run(*words, "--shard", f"{index}/3")
        assert (code, "units are left" in err) == (0, True), err
    made = json.loads(space.run(*words, "--shard", "2/3", "--json")[1])
    assert (made["rows"], len(made["shards"])) == (2500, 3)
    assert space.run("datasets", "verify", "completions@v1")[0] == 0


def test_where_every_row_is_dropped_nothing_is_published(space):
    code, _, err = space.build(kind="traces")
    assert code == 3
    assert "60 no_reasoning (reasoning)" in err


@pytest.mark.parametrize(
    ("words", "exit_code", "complaint"),
    [
        (("--data", "prompts@v9"), 2, "no version v9; there are v1 to v1"),
        (("--data", "nowhere@v1"), 2, "no dataset at"),
        (("--n", "0"), 2, "'n': input should be greater than or equal to 1"),
        (("--set", "sampling.temprature=1"), 2, "did you mean 'sampling.temperature'"),
        (("--set", "nonsense"), 2, "write it as KEY=VALUE"),
        (("--policy", "no/such/folder"), 1, "no/such/folder: there is no such folder"),
        (("--policy", "http://127.0.0.1:9/v1"), 1, "http://127.0.0.1:9/v1"),
        (("--model", "gpt-none"), 1, "it serves: hostile"),
        (("--engine", "openia"), 2, "openai"),
        (("--shard", "3/3"), 2, "write i/n with 0 <= i < n"),
        (("--set", "sampling.logprobs=true", "--set", "sampling.token_ids=true"), 2, "token_ids"),
        (("--limt", "3"), 2, "--limit"),
    ],
)
def test_a_wrong_command_is_answered_in_one_line_that_says_what_to_do(space, words, exit_code, complaint):
    given = {"--data": "prompts@v1", "--policy": space.server.endpoint}
    defaults = [word for flag, value in given.items() if flag not in words for word in (flag, value)]
    code, out, err = space.run("build", "completions", *defaults, *words)
    assert code == exit_code, err
    assert complaint in err
    assert "Traceback" not in err
    assert out == ""
    assert err.strip().splitlines()[-1].startswith("error: ")
