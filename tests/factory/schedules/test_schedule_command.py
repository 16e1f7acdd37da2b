"""`factory schedule` as a person runs it; at the end with real builds."""

import json

import pytest

from factory.jobs.store import JobStore
from tests.factory.judge_space import space

__all__ = ["space"]

RECIPE = 'data = "prompts@latest"\nfilter = []\n[[policy]]\nmodel = "replay:said.jsonl"\n'


@pytest.fixture
def recorded(space):
    """Recorded answers to 20 questions, and a recipe that replays them."""
    space.rows([{"prompt": f"q{number}", "completion": "<think>hm</think>42"} for number in range(20)], "said.jsonl")
    space.write("traces.toml", RECIPE)
    return space


def questions(space, count):
    file = space.rows([{"prompt": f"q{number}"} for number in range(count)], "q.jsonl")
    assert space.run("build", "prompts", "--source", file)[0] == 0


def schedule(space, *words, code=0):
    """What `--json` says, or, where it fails, stderr."""
    found, out, err = space.run("schedule", words[0], "--json", *words[1:])
    assert found == code, err
    return json.loads(out) if code == 0 else err


def jobs(space):
    with JobStore(space.home) as store:
        return store.list()[::-1]


def test_a_build_takes_what_is_new_unless_all_is_wanted(recorded):
    words = ("add", "0 2 * * *", "--recipe", "traces.toml", "--data", "prompts@latest")
    made = schedule(recorded, *words, "--zone", "Europe/Berlin", "--set", "n=2", "--out", "t", "--title", "nightly")
    build = ["factory", "build", "traces", "--recipe", "traces.toml", "--data", "prompts@latest", "--out", "t"]
    assert made["command"] == [*build, "--set", "n=2", "--new-only"]
    assert (made["title"], made["zone"], made["folder"]) == ("nightly", "Europe/Berlin", str(recorded.home))
    assert "--new-only" not in schedule(recorded, *words, "--whole")["command"]
    rates = schedule(recorded, *words, "--kind", "pass-rate", "--max-cost", "2")
    assert (rates["command"][2], rates["max_cost_usd"]) == ("pass-rate", 2.0)
    plain = schedule(recorded, "add", "5 4 * * SUN", "--", "trainer", "sft", "--data", "traces@latest")
    assert plain["command"] == ["trainer", "sft", "--data", "traces@latest"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("0 2 * *", "--recipe", "traces.toml"), "write five fields: minute hour"),
        (("0 2 * * *", "--recipe", "none.toml"), "there is no such recipe"),
        (("0 2 * * *", "--recipe", "traces.toml", "--set", "nn=3"), "unknown key 'nn'"),
        (("0 2 * * *", "--recipe", "traces.toml", "--kind", "tracks"), "--kind tracks: one of completions, traces"),
        (("0 2 * * *", "--recipe", "traces.toml", "--kind", "evolve"), "none is new: give --whole"),
        (("0 2 * * *", "--recipe", "traces.toml", "--zone", "Berlin"), "did you mean"),
        (("0 2 * * *", "--recipe", "traces.toml", "--misfire", "often"), "one of skip, run-once"),
        (("0 2 * * *", "--recipe", "traces.toml", "--", "factory", "build", "traces"), "not both"),
        (("0 2 * * *", "--recpie", "traces.toml"), "a job runs factory or trainer, not '--recpie'"),
        (("0 2 * * *", "--", "sh", "-c", "true"), "a job runs factory or trainer, not 'sh'"),
        (("0 2 * * *",), "say what is to be done: --recipe and --data"),
    ],
)
def test_a_wrong_command_is_answered_in_one_line(recorded, words, complaint):
    said = schedule(recorded, "add", *words, code=2)
    assert complaint in said
    assert "Traceback" not in said
    assert schedule(recorded, "ls") == []


def test_a_version_that_stays_the_same_is_warned_of(recorded):
    words = ("schedule", "add", "0 2 * * *", "--recipe", "traces.toml", "--data", "prompts@v1")
    assert "prompts@v1 stays as it is: after the first time nothing is new" in recorded.run(*words)[2]
    assert "stays as it is" not in recorded.run(*words, "--whole")[2]


def test_a_schedule_is_listed_paused_fired_and_removed(recorded):
    id = schedule(recorded, "add", "0 2 * * *", "--zone", "Europe/Berlin", "--recipe", "traces.toml")["id"]
    code, out, err = recorded.run("schedule", "run-now", id)
    assert (code, out.startswith("fired ")) == (0, True)
    assert "nothing runs it yet: start `factory schedule run` or `factory serve`" in err
    assert recorded.run("schedule", "run-now", id)[0] == 5
    [job] = jobs(recorded)
    assert (job.source, job.state) == (f"schedule:{id}", "queued")
    [firing] = schedule(recorded, "history", id)
    assert (firing["outcome"], firing["job_id"], firing["job_state"]) == ("fired", job.id, "queued")
    assert schedule(recorded, "pause", id)["state"] == "paused"
    out = recorded.run("schedule", "ls")[1]
    assert ("paused" in out, "Europe/Berlin" in out) == (True, True)
    assert schedule(recorded, "resume", id)["state"] == "active"
    assert "02:00:00+0" in recorded.run("schedule", "show", id)[1]
    assert recorded.run("schedule", "rm", id)[:2] == (0, f"{id} removed\n")
    assert "there is no schedule" in schedule(recorded, "show", id, code=2)
    assert len(jobs(recorded)) == 1


def test_scheduled_builds_append_what_is_new(recorded):
    """Through real jobs: a first version, more prompts, an appended one, and then nothing new."""
    id = schedule(recorded, "add", "0 2 * * *", "--recipe", "traces.toml")["id"]
    for prompts, rows, made in ((12, 12, "traces@v1"), (20, 20, "traces@v2"), (20, 20, "traces@v2")):
        questions(recorded, prompts)
        assert schedule(recorded, "run-now", id)["outcome"] == "fired"
        code, _, err = recorded.run("schedule", "run", "--once")
        assert code == 0, err
        assert (schedule(recorded, "history", id)[0]["made"], len(recorded.records("traces"))) == (made, rows)
    assert [job.state for job in jobs(recorded)] == ["done"] * 3
    assert recorded.run("datasets", "verify", "traces")[0] == 0


def test_a_job_that_fails_fails_the_run(recorded):
    id = schedule(recorded, "add", "0 2 * * *", "--recipe", "traces.toml", "--data", "nowhere@latest")["id"]
    schedule(recorded, "run-now", id)
    code, _, err = recorded.run("schedule", "run", "--once")
    assert (code, "no dataset at" in err) == (1, True)
    assert schedule(recorded, "history", id)[0]["job_state"] == "failed"
