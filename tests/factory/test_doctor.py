"""`factory doctor`: what it says against what is there, quickly, and without importing what is heavy."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from factory.cli import main
from factory.doctor import examine
from judges.sandbox.confine import ENVIRONMENT
from tests.judges.sandbox.machine import LEVELS, refusal

HEAVY = {"torch", "transformers", "vllm", "deepspeed", "datasets", "litellm"}


def found(report):
    return {finding.name: finding for finding in report.findings}


def test_what_is_installed_is_named_with_its_version(tmp_path):
    import msgspec
    import polars

    findings = found(examine(tmp_path))
    assert findings["python"].found.startswith(platform.python_version())
    assert f"polars {polars.__version__}" in findings["packages"].found
    assert f"msgspec {msgspec.__version__}" in findings["packages"].found
    assert all(finding.advice for finding in findings.values() if finding.state == "missing")


def test_the_sandbox_level_is_the_best_that_can_be_had_and_every_attack_was_contained(tmp_path):
    report = examine(tmp_path)
    expected = next((level for level in LEVELS if refusal(level) is None), "none")
    assert report.sandbox.level == expected
    if expected == "none":
        pytest.skip("no sandbox on this machine to attack")
    assert len(report.sandbox.contained) >= 10
    assert all(report.sandbox.contained.values())
    assert expected in found(report)["sandbox"].found


def test_a_variable_that_the_sandbox_sets_itself_is_no_leak(tmp_path, monkeypatch):
    others = dict(os.environ)
    for name in others:
        monkeypatch.delenv(name)
    for name, value in (ENVIRONMENT | others).items():
        monkeypatch.setenv(name, value)
    assert next(iter(os.environ)) in ENVIRONMENT
    assert examine(tmp_path).sandbox.contained.get("read the environment", True)


def test_torch_is_read_from_its_files_as_it_would_say_itself(tmp_path):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    code = "import torch; print(torch.__version__, torch.version.cuda)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, cuda = done.stdout.split()
    says = found(examine(tmp_path))["torch"].found
    assert version in says
    assert (f"CUDA {cuda}" in says) == (cuda != "None")


def test_one_json_object_and_nothing_heavy_is_imported(tmp_path):
    code = (
        f"import sys; from factory.cli import main; main(['doctor', '--json']); print({HEAVY!r} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    report, heavy = done.stdout.splitlines()
    assert {"findings", "sandbox"} == json.loads(report).keys()
    assert heavy == "set()"


def test_the_table_shows_every_finding(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    for name in ("python", "packages", "torch", "GPU", "vLLM", "DeepSpeed", "disk", "sandbox"):
        assert name in shown
    assert str(Path(sys.executable).name) in shown


def test_a_workspace_that_is_not_there_yet_is_measured_where_it_would_be(tmp_path):
    assert "GB free" in found(examine(tmp_path / "not" / "yet"))["disk"].found
