"""`factory serve` and `factory view` as processes: how they end when told to, and what becomes of jobs meanwhile."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

from factory.cli import main
from factory.jobs.store import JobStore
from tests.factory.looking.workspace import version
from tests.faults.harness import ROOT, questions, serving
from tests.schemas.rows import pair

ENDINGS = {signal.SIGINT: 130, signal.SIGTERM: 75}
PATIENCE_S = 90
ROWS = 16


@contextmanager
def started(home, *words):
    """A command of `factory` that listens, and the base of its addresses."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "factory.cli", *words, "--port", str(port)]
    environment = {**os.environ, "FACTORY_HOME": str(home), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=home, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert f"http://127.0.0.1:{port}/" in process.stderr.readline()
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def until(is_so):
    give_up = time.monotonic() + PATIENCE_S
    while not (found := is_so()):
        assert time.monotonic() < give_up
        time.sleep(0.1)
    return found


def end(process, number):
    """Exit code, and what it said on its way."""
    process.send_signal(number)
    return process.wait(PATIENCE_S), process.stderr.read()


def answers(base):
    try:
        return httpx.get(f"{base}/api/v1/status", timeout=30).status_code == 200
    except httpx.ConnectError:
        return False


@pytest.mark.parametrize("number", ENDINGS)
def test_a_service_ends_cleanly_and_its_jobs_go_on(tmp_path, monkeypatch, number):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in questions(ROWS)))
    assert main(["build", "prompts", "--source", str(tmp_path / "prompts.jsonl")]) == 0
    with serving(latency_s=0.5) as server, JobStore(tmp_path) as store:
        build = ["factory", "build", "completions", "--data", "prompts", "--policy", server.endpoint]
        job = store.submit([*build, "--set", "run.max_in_flight=1"], folder=str(tmp_path)).id
        with started(tmp_path, "serve") as (first, base):
            until(lambda: answers(base))
            pid = until(lambda: store.get(job).pid)
            with httpx.stream("GET", f"{base}/api/v1/events", timeout=PATIENCE_S) as stream:
                assert next(stream.iter_lines()) == "retry: 3000"
                assert end(first, number) == (ENDINGS[number], "")
        assert store.get(job).state == "running"
        assert os.path.exists(f"/proc/{pid}")
        with started(tmp_path, "serve"):
            done = until(lambda: (found := store.get(job)).has_ended and found)
    assert (done.state, done.attempts, done.made) == ("done", 1, "completions@v1")  # adopted, not begun again


@pytest.mark.parametrize("number", ENDINGS)
def test_a_view_ends_cleanly_and_leaves_nothing(tmp_path, number):
    version(tmp_path, "pairs", [pair(0)])
    with started(tmp_path, "view", "pairs", "--no-browser") as (process, base):
        until(lambda: answers(base))
        assert httpx.get(f"{base}/datasets/pairs/v1").status_code == 200
        assert end(process, number) == (ENDINGS[number], "")
    assert not (tmp_path / ".factory" / "service.sqlite").exists()


@pytest.mark.parametrize("words", [("serve",), ("view", "pairs", "--no-browser")])
def test_an_address_that_is_taken_is_said_to_be(tmp_path, monkeypatch, capsys, words):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    version(tmp_path, "pairs", [pair(0)])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main([*words, "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert f"127.0.0.1:{port}" in said
    assert "give another --port" in said
