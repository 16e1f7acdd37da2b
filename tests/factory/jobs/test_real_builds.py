"""Real builds as jobs, by the command line: paused, killed, gone on with; and what they tell meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from factory.cli import main
from factory.jobs.progress import progress, training_metrics
from factory.jobs.store import JobStore
from tests.faults.harness import ROOT, questions, serving

ROWS = 30
PRICE = ("--set", "run.prices.hostile={prompt=1.0,completion=2.0}")


@pytest.fixture(scope="module")
def server():
    with serving(latency_s=0.4) as server:
        yield server


@pytest.fixture
def space(tmp_path, monkeypatch, capsys, server):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    space = Space(tmp_path, capsys, server)
    yield space
    space.end()


class Space:
    """A workspace with prompts, the command in this process, and a runner in another."""

    def __init__(self, home, capsys, server):
        self.home, self.capsys, self.server = home, capsys, server
        (home / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in questions(ROWS)))
        assert self.run("build", "prompts", "--source", "prompts.jsonl")[0] == 0
        self.runner = self.start_runner()

    def start_runner(self):
        command = [sys.executable, "-m", "factory.cli", "jobs", "run", "--max-running", "1"]
        return subprocess.Popen(command, cwd=ROOT, env=os.environ, stderr=subprocess.DEVNULL)

    def run(self, *words):
        """Exit code, stdout, stderr."""
        code = main([str(word) for word in words])
        out, err = self.capsys.readouterr()
        return code, out, err

    def json(self, *words):
        code, out, err = self.run(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    def submit(self, *words):
        build = ["factory", "build", "completions", "--data", "prompts", "--policy", self.server.endpoint]
        code, out, err = self.run("jobs", "submit", "--max-cost", "1", "--json", "--", *build, *PRICE, *words)
        assert code == 0, err
        return json.loads(out)["id"]

    def until(self, id, is_so):
        give_up = time.monotonic() + 60
        while not is_so(job := self.json("jobs", "show", id)):
            assert time.monotonic() < give_up, self.run("jobs", "log", id)
            time.sleep(0.1)
        return job

    def until_in(self, id, state):
        return self.until(id, lambda job: job["state"] == state)

    def end(self):
        with JobStore(self.home) as store:
            for job in store.list(("running", "pausing", "queued")):
                store.cancel(job.id)
        self.runner.send_signal(signal.SIGTERM)
        assert self.runner.wait(30) in (75, -signal.SIGKILL)


def test_a_build_is_paused_killed_and_gone_on_with_and_pays_for_nothing_twice(space):
    id = space.submit("--set", "run.max_in_flight=2")
    space.until(id, lambda job: space.server.stats()["requests"] >= 4)
    assert space.json("jobs", "pause", id)["state"] == "pausing"
    paused = space.until_in(id, "paused")
    assert (paused["exit_code"], paused["attempts"]) == (75, 1)
    asked = space.server.stats()["requests"]
    assert 4 <= asked < ROWS
    space.json("jobs", "resume", id)
    running = space.until(id, lambda job: space.server.stats()["requests"] >= asked + 4)
    space.runner.kill()  # the runner, then what it left behind
    space.runner.wait()
    os.killpg(os.getsid(running["pid"]), signal.SIGKILL)
    space.runner = space.start_runner()
    done = space.until_in(id, "done")
    assert (done["made"], done["attempts"]) == ("completions@v1", 3)
    made = space.json("datasets", "show", "completions@v1")
    assert made["rows"] == ROWS
    assert space.server.stats()["requests"] <= ROWS + 2  # what was in flight at the kill is asked again
    last = done["progress"]
    assert (last["done"], last["rows"], last["kept"], last["made"]) == (ROWS, ROWS, ROWS, "completions@v1")
    assert last["spent_usd"] == pytest.approx(made["cost"]["usd"])
    assert done["spent_usd"] == pytest.approx(made["cost"]["usd"])
    assert last["budget_usd"] == done["max_cost_usd"] == 1


def test_a_build_tells_how_it_gets_on(space):
    before = space.server.stats()["requests"]
    id = space.submit("--set", "run.max_in_flight=2", "--set", "sampling.max_tokens=7", "--limit", "24")
    space.until_in(id, "done")
    lines = progress(space.home, id)
    assert space.server.stats()["requests"] - before == 24
    times = [line.time for line in lines]
    assert all(later - earlier > 1.5 for earlier, later in pairwise(times[:-2]))
    assert [line.done for line in lines] == sorted(line.done for line in lines)
    middle = lines[2]  # after four seconds
    [model] = middle.models
    assert (model.model, model.engine) == ("hostile", "openai")
    assert 1 <= model.in_flight == middle.in_flight <= model.limit == 2
    since = middle.time - lines[0].time
    assert middle.rows_per_s == pytest.approx((middle.done - lines[0].done) / since, rel=0.05)
    assert 0 < middle.rows_per_s <= 1.05 * 2 / 0.4  # two at once, 0.4 s each
    assert middle.completion_tokens_per_s > 0 < middle.prompt_tokens_per_s
    assert middle.eta_s > 0
    tokens = space.json("datasets", "show", "completions")["tokens"]
    assert (lines[-1].prompt_tokens, lines[-1].completion_tokens) == (tokens["prompt"], tokens["completion"])


def test_the_command_line_lists_shows_and_follows(space):
    id = space.submit("--limit", "2")
    log = space.run("jobs", "log", id, "--follow")[1]
    assert "--- attempt 1" in log
    assert "completions@v1: 2 rows" in log
    space.until_in(id, "done")
    code, out, _ = space.run("jobs", "ls", "--state", "done")
    assert code == 0
    assert id in out
    code, out, _ = space.run("jobs", "show", id)
    assert "made       completions@v1" in out
    assert space.run("jobs", "cancel", id)[0] == 5
    assert space.run("jobs", "show", "../../etc")[0] == 2
    assert space.run("jobs", "submit", "--", "bash", "-c", "true")[0] == 2


def test_run_once_ends_with_the_queue_and_tells_of_failures(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    assert main(["jobs", "run", "--once"]) == 0
    build = ["factory", "build", "prompts", "--source", "gone.jsonl"]
    main(["jobs", "submit", "--title", "no \x1b[1m such", "--", *build])
    assert "start `factory jobs run`" in capsys.readouterr().err
    assert main(["jobs", "run", "--once"]) == 1
    assert "gone.jsonl" in capsys.readouterr().err
    main(["jobs", "ls"])
    assert "no \\u{1b}[1m" in capsys.readouterr().out


def test_where_a_training_measures(tmp_path):
    with JobStore(tmp_path) as store:
        job = store.submit(["trainer", "sft", "--out", "ckpt/sft"], folder="/elsewhere")
        assert str(training_metrics(job)) == "/elsewhere/ckpt/sft.run/metrics.jsonl"
        assert training_metrics(store.submit(["factory", "build", "traces"])) is None
