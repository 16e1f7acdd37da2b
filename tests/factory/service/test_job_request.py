"""What a caller may have run: names of things, never a URL and never a way out of the workspace."""

import os
import tomllib

import pytest
from pydantic import ValidationError

from factory.jobs.command import check_command
from factory.service.job_request import KINDS, JobRequest, to_command
from factory.service.schedule_request import ScheduleRequest, to_schedule
from factory.service.settings import PolicyTable, Settings
from pipelines.registry import PIPELINES
from schemas.errors import DataError

SERVED = PolicyTable(model="http://127.0.0.1:8000/v1", name="qwen", api_key_env="QWEN_KEY")
SETTINGS = Settings(policies={"served": SERVED, "solver": PolicyTable(model="solver:reasoning-gym")})


def command(home, **fields):
    return to_command(JobRequest(**fields), SETTINGS, home)


def test_a_build_by_its_words(tmp_path):
    found = command(
        tmp_path,
        kind="traces",
        recipe="traces",
        data="prompts@v1",
        policy=["solver"],
        out="nightly",
        n=4,
        limit=10,
        new_only=True,
        settings={"sampling.temperature": 0.5},
    )
    assert found[:5] == ["factory", "build", "traces", "--data", "prompts@v1"]
    assert found[5:] == [
        *("--recipe", "traces", "--policy", "solver:reasoning-gym", "--out", "nightly", "--n", "4", "--limit", "10"),
        *("--new-only", "--set", "sampling.temperature=0.5"),
    ]
    check_command(found)


def test_trainings_and_steps(tmp_path):
    (tmp_path / "ckpt" / "base").mkdir(parents=True)
    found = command(tmp_path, kind="sft", data="traces@v1", model="ckpt/base", out="ckpt/sft")
    model = str(tmp_path / "ckpt" / "base")
    assert found == ["trainer", "sft", "--data", "traces@v1", "--model", model, "--out", "ckpt/sft"]
    assert command(tmp_path, kind="dedupe", data="traces@v1", out="once") == [
        *("factory", "dedupe", "traces@v1", "--out", "once"),
    ]


def test_a_policy_that_no_flag_tells_whole_is_a_table(tmp_path):
    (tmp_path / "ckpt").mkdir()
    found = command(tmp_path, kind="completions", data="prompts", policy=["served", "ckpt"])
    setting = found[found.index("--set") + 1]
    read = tomllib.loads(setting.replace("policy=", "policy = ", 1))["policy"]
    assert read == [SERVED.model_dump(exclude_none=True), {"model": str(tmp_path / "ckpt")}]


@pytest.mark.parametrize(
    "fields",
    [
        {"policy": ["http://169.254.169.254/latest"]},
        {"policy": ["https://evil.example/v1"]},
        {"policy": ["replay:/etc/passwd"]},
        {"policy": ["/etc"]},
        {"policy": ["../away"]},
        {"policy": ["-x"]},
        {"data": "s3://bucket/x@v1"},
        {"data": "../x@v1"},
        {"data": "./x"},
        {"data": "--out"},
        {"out": "/tmp/x"},
        {"out": "../x"},
        {"recipe": "/etc/passwd"},
        {"recipe": "../../x.toml"},
        {"recipe": ".."},
        {"settings": {"n": [1]}},
        {"settings": {"n": {"a": 1}}},
        {"settings": {"keep": "x" * 300}},
        {"n": 0},
        {"max_cost_usd": float("inf")},
        {"max_cost_usd": -1},
        {"command": ["rm"]},
        {"title": "x" * 300},
    ],
)
def test_other_forms_are_refused(fields):
    with pytest.raises(ValidationError):
        JobRequest(**{"kind": "traces", **fields})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "shell"}, "kind 'shell'"),
        ({"kind": "jobs"}, "kind 'jobs'"),
        ({"policy": ["unknown"]}, "neither configured"),
        ({"policy": ["link"]}, "symbolic link"),
        ({"recipe": "link/x.toml"}, "symbolic link"),
        ({"recipe": "no/such.toml"}, "no such file"),
        ({"settings": {"policy": "http://evil.example"}}, "may not be set"),
        ({"settings": {"run.max_cost": 1}}, "may not be set"),
        ({"settings": {"n=1 --out": 1}}, "may not be set"),
        ({"kind": "sft"}, "model: sft needs one"),
        ({"kind": "labels", "policy": ["solver"]}, "takes none"),
        ({"kind": "magpie", "new_only": True}, "makes all its rows anew"),
        ({"kind": "traces", "out": "a/b"}, "has no /"),
    ],
)
def test_what_may_not_be_used_is_said(tmp_path, fields, words):
    os.symlink("/etc", tmp_path / "link")
    with pytest.raises(DataError, match=words):
        command(tmp_path, **{"kind": "traces", **fields})


def test_a_text_cannot_become_more_than_one_value(tmp_path):
    sly = 'a"\npolicy = [{model = "http://evil.example"}] #\x7f\\'
    found = command(tmp_path, kind="pass-rate", data="prompts", settings={"keep": sly})
    setting = found[found.index("--set") + 1]
    assert tomllib.loads(setting.replace("keep=", "keep = ", 1)) == {"keep": sly}


def test_every_kind_makes_a_command_for_a_job(tmp_path):
    (tmp_path / "m").mkdir()
    for kind in KINDS:
        told = {"model": "m", "out": "x"} if kind in ("sft", "dpo", "reward", "rlvr", "eval") else {}
        check_command(command(tmp_path, kind=kind, data="d@v1", **told))
    assert set(PIPELINES) < set(KINDS)


def test_schedules_make_what_is_new_unless_told_otherwise(tmp_path):
    def words(**job):
        request = ScheduleRequest(cron="0 2 * * *", job=JobRequest(**job))
        return list(to_schedule(request, SETTINGS, tmp_path).command)

    assert "--new-only" in words(kind="traces", data="prompts")
    assert "--new-only" not in words(kind="traces", data="prompts", new_only=False)
    assert "--new-only" not in words(kind="magpie", policy=["solver"])
