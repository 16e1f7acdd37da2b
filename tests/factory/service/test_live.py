"""A service that listens: a job is started by a form and watched to its end, streams end, metrics are passed on."""

import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from factory.service.loops import run_loop
from factory.service.vllm_metrics import passed_on
from schemas.errors import DataError
from tests.factory.service.space import OURS, listening

SOURCE = "reasoning-gym:chain_sum"
PATIENCE_S = 60


def form_token(client, path="/runs"):
    return re.search(r'name="form_token" value="([^"]+)"', client.get(path).text)[1]


def make_prompts(home, monkeypatch):
    from factory.cli import main

    monkeypatch.setenv("FACTORY_HOME", str(home))
    assert main(["build", "prompts", "--source", SOURCE, "--limit", "6", "--out", "prompts"]) == 0


def test_a_job_of_the_form_runs_to_its_end_and_is_streamed(tmp_path, monkeypatch):
    make_prompts(tmp_path, monkeypatch)
    policies = {"solver": {"model": "solver:reasoning-gym"}}
    with (
        listening(tmp_path, run_jobs=True, policies=policies) as base,
        httpx.Client(base_url=base, timeout=30) as client,
    ):
        form = {"kind": "traces", "data": "prompts@latest", "policy": "solver", "out": "traces"}
        started = client.post("/runs", data={**form, "form_token": form_token(client)})
        assert started.status_code == 303
        page = started.headers["location"]
        events = []
        with client.stream("GET", f"/api/v1/jobs/{page.rpartition('/')[2]}/events", timeout=PATIENCE_S) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            events = [line for line in stream.iter_lines() if line.startswith("event: ")]
        assert events[-1] == "event: end"
        assert "event: changed" in events
        text = client.get(page).text
        assert "traces@v1" in text
        assert "Where the rows went" in text
        assert client.get("/datasets/traces/v1/samples/0").status_code == 200
        assert client.get("/").status_code == 303


def test_streams_are_counted_and_end_with_the_service(tmp_path):
    begun = time.monotonic()
    with httpx.Client(timeout=30) as client:
        with listening(tmp_path, limits={"max_streams": 2}) as base:
            open_streams = [
                client.send(client.build_request("GET", f"{base}/api/v1/events"), stream=True) for _ in range(2)
            ]
            kept, left = (stream.iter_lines() for stream in open_streams)
            assert next(kept) == next(left) == "retry: 3000"
            assert _is_full(client, base)
            open_streams[1].close()
            while _is_full(client, base):
                assert time.monotonic() - begun < PATIENCE_S
            job = {"kind": "traces", "data": "x"}
            assert client.post(f"{base}/api/v1/jobs", json=job, headers=OURS).status_code == 201
            while '"queued":1' not in next(kept):
                assert time.monotonic() - begun < PATIENCE_S
        assert [line for line in kept if line.startswith("event")] == []  # it ended, and did not break off


def _is_full(client, base):
    with client.stream("GET", f"{base}/api/v1/events") as stream:
        return stream.status_code == 503


async def test_a_loop_goes_on_after_what_a_disk_does_and_says_so():
    problems, stopping, steps = {}, threading.Event(), []

    def step():
        steps.append(dict(problems))
        if len(steps) == 1:
            raise DataError("no room")
        stopping.set()

    await run_loop("runner", step, problems, stopping)
    assert steps[1] == {"runner": "The runner cannot go on (no room); it tries again."}
    assert problems == {}


async def test_a_bug_ends_a_loop():
    def step():
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await run_loop("runner", step, {}, threading.Event())


def test_gauges_of_servers_are_passed_on_with_their_name():
    class Vllm(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/away":
                self.send_response(302)
                self.send_header("location", "/metrics")
                self.end_headers()
                return
            self.send_response(200)
            self.end_headers()
            lines = ["# TYPE vllm:num_requests_running gauge", 'vllm:num_requests_running{model_name="m"} 3.0']
            self.wfile.write("\n".join([*lines, "vllm:plain 1", "process_open_fds 7", 'vllm:bad{ 1"']).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Vllm)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        found = list(passed_on({"one": f"{base}/metrics", "moved": f"{base}/away", "gone": "http://127.0.0.1:1/"}))
    finally:
        server.shutdown()
        server.server_close()
    assert found == [
        "# TYPE factory_vllm_up gauge",
        'factory_vllm_up{server="one"} 1',
        'vllm:num_requests_running{server="one",model_name="m"} 3.0',
        'vllm:plain{server="one"} 1',
        'factory_vllm_up{server="moved"} 0',
        'factory_vllm_up{server="gone"} 0',
    ]
