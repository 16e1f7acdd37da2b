"""The API: what it lists and changes, what it refuses, and whether it is as it says."""

import time

import msgspec
import pytest

from factory.jobs.folder import LOG, PROGRESS, job_folder
from factory.progress_log import ModelProgress, ProgressLine
from factory.service.openapi import SHAPES
from tests.factory.looking.workspace import version
from tests.factory.service.space import OURS, asked
from tests.schemas.rows import completion, pair, rejection

JOB = {"kind": "traces", "data": "prompts@v1", "max_cost_usd": 2.5, "title": "first"}


async def test_a_job_is_submitted_once_for_a_key_and_changed(tmp_path):
    async with asked(tmp_path, headers=OURS) as client:
        key = {"idempotency-key": "k1"}
        first = (await client.post("/api/v1/jobs", json=JOB, headers=key)).json()
        again = (await client.post("/api/v1/jobs", json=JOB, headers=key)).json()
        assert (first["state"], first["source"], first["max_cost_usd"]) == ("queued", "api", 2.5)
        assert again["id"] == first["id"]
        place = f"/api/v1/jobs/{first['id']}"
        assert (await client.post(f"{place}/pause")).json()["state"] == "paused"
        assert (await client.post(f"{place}/resume")).json()["state"] == "queued"
        assert (await client.post(f"{place}/cancel")).json()["state"] == "cancelled"
        refused = await client.post(f"{place}/pause")
        assert (refused.status_code, "cannot be paused" in refused.json()["error"]) == (409, True)
        assert (await client.post(f"{place}/retry")).json()["state"] == "queued"
        assert (await client.post(f"{place}/explode")).status_code == 422
        assert (await client.get("/api/v1/jobs/00000000000")).status_code == 404
        assert len((await client.get("/api/v1/jobs")).json()) == 1


@pytest.mark.parametrize("body", ["{", "[]", '{"kind": "traces", "surprise": 1}', '{"kind": 7}', "null", '"\\ud800"'])
async def test_another_body_is_refused(tmp_path, body):
    async with asked(tmp_path, headers={**OURS, "content-type": "application/json"}) as client:
        response = await client.post("/api/v1/jobs", content=body)
        assert response.status_code == 422
        assert "error" in response.json()


async def test_progress_and_log_of_a_job(tmp_path):
    async with asked(tmp_path, headers=OURS) as client:
        job = (await client.post("/api/v1/jobs", json=JOB)).json()["id"]
        folder = job_folder(tmp_path, job)
        folder.mkdir(parents=True)
        (folder / LOG).write_bytes(b"one\n\xff\x1b[31mtwo\n")
        place = f"/api/v1/jobs/{job}"
        log = (await client.get(f"{place}/log")).json()
        assert (log["text"], log["start"], log["bytes"]) == ("one\n\ufffd\x1b[31mtwo\n", 0, 14)
        assert (await client.get(f"{place}/log", params={"start": 4})).json()["start"] == 4
        assert (await client.get(f"{place}/log", params={"start": 999})).json()["text"] == ""
        (folder / PROGRESS).write_bytes(msgspec.json.encode(ProgressLine(time=1.0, rows=10, done=4)) + b"\n")
        assert (await client.get(f"{place}/progress")).json()[0]["done"] == 4
        page = (await client.get(f"/runs/{job}")).text
        assert "\x1b" not in page
        assert "\\u{1b}[31mtwo" in page


async def test_schedules_are_added_fired_and_removed(tmp_path):
    request = {"cron": "0 2 * * *", "zone": "Europe/Berlin", "job": {"kind": "traces", "data": "prompts@latest"}}
    async with asked(tmp_path, headers=OURS) as client:
        made = (await client.post("/api/v1/schedules", json=request)).json()
        assert made["command"][-1] == "--new-only"
        place = f"/api/v1/schedules/{made['id']}"
        assert (await client.post(f"{place}/pause")).json()["state"] == "paused"
        assert (await client.post(f"{place}/resume")).json()["state"] == "active"
        firing = (await client.post(f"{place}/run-now")).json()
        assert firing["outcome"] == "fired"
        assert (await client.get(f"/api/v1/jobs/{firing['job_id']}")).json()["source"] == f"schedule:{made['id']}"
        assert len((await client.get(f"{place}/history")).json()) == 1
        for page in ("/schedules", f"/schedules/{made['id']}"):
            text = (await client.get(page)).text
            assert "0 2 * * *" in text
            assert f"/runs/{firing['job_id']}" in text
        assert (await client.post(f"{place}/remove")).status_code == 200
        assert (await client.get(place)).status_code == 404
        bad = await client.post("/api/v1/schedules", json={**request, "cron": "61 * * * *"})
        assert bad.status_code == 400


async def test_a_job_that_has_ended_is_removed(tmp_path):
    schedule = {"cron": "0 2 * * *", "job": {"kind": "traces", "data": "prompts@latest"}}
    async with asked(tmp_path, headers=OURS) as client:
        made = (await client.post("/api/v1/schedules", json=schedule)).json()["id"]
        job = (await client.post(f"/api/v1/schedules/{made}/run-now")).json()["job_id"]
        place = f"/api/v1/jobs/{job}"
        refused = await client.post(f"{place}/remove")
        assert (refused.status_code, f"job {job} is queued" in refused.json()["error"]) == (409, True)
        assert "Remove the run" not in (await client.get(f"/runs/{job}")).text
        await client.post(f"{place}/cancel")
        assert "Remove the run" in (await client.get(f"/runs/{job}")).text
        form = {"form_token": client.app.state.service.access.form_token}
        removed = await client.post(f"/runs/{job}/remove", data=form)
        assert (removed.status_code, removed.headers["location"]) == (303, "/runs")
        assert (await client.get(place)).status_code == 404
        history = (await client.get(f"/api/v1/schedules/{made}/history")).json()
        assert [(firing["job_id"], firing["job_state"]) for firing in history] == [(job, None)]
        for page in ("/schedules", f"/schedules/{made}"):
            text = (await client.get(page)).text
            assert "fired" in text
            assert f"/runs/{job}" not in text
        other = (await client.post("/api/v1/jobs", json=JOB)).json()["id"]
        await client.post(f"/api/v1/jobs/{other}/cancel")
        assert (await client.post(f"/api/v1/jobs/{other}/remove")).json()["id"] == other


async def test_a_form_adds_a_schedule(tmp_path):
    async with asked(tmp_path) as client:
        form = {"form_token": client.app.state.service.access.form_token, "kind": "traces", "data": "prompts@latest"}
        wrong = await client.post("/schedules", data={**form, "cron": "nonsense"})
        assert wrong.status_code == 400
        assert "nonsense" in wrong.text
        right = await client.post("/schedules", data={**form, "cron": "*/5 * * * *", "whole": "1", "jitter_s": "7"})
        assert right.status_code == 303
        [made] = (await client.get("/api/v1/schedules")).json()
        assert (made["cron"], made["jitter_s"], "--new-only" in made["command"]) == ("*/5 * * * *", 7, False)


async def test_rows_are_told_as_they_are(tmp_path):
    rows = [pair(number, score_chosen=number / 10) for number in range(10)]
    version(tmp_path, "pairs", rows, [rejection(0)])
    async with asked(tmp_path) as client:
        base = "/api/v1/datasets/pairs/v1"
        found = (await client.get(f"{base}/rows", params={"where": "score_chosen:above:0.65", "limit": 2})).json()
        assert [row["number"] for row in found["rows"]] == [7, 8]
        assert (await client.get(f"{base}/rows/3")).json()["pair_id"] == rows[3].pair_id
        assert (await client.get(f"{base}/rows/3/sample")).json()["answers"][0]["label"] == "chosen"
        assert (await client.get(f"{base}/rejections")).json()["of"] == 1
        assert (await client.get(f"{base}/rows/99")).status_code == 404
        for wrong in ({"limit": 101}, {"limit": "x"}, {"offset": -1}, {"surprise": 1}, {"where": "nope:is:1"}):
            assert (await client.get(f"{base}/rows", params=wrong)).status_code in (400, 422)


async def test_a_damaged_version_is_said_to_be(tmp_path):
    version(tmp_path, "bad", [completion(0)])
    [manifest] = (tmp_path / "bad" / "_manifests").glob("*.json")
    manifest.write_bytes(manifest.read_bytes().replace(b'"MIT"', b'"MIX"'))
    async with asked(tmp_path) as client:
        response = await client.get("/api/v1/datasets/bad/v1")
        assert response.status_code == 422
        assert "changed" in response.json()["error"]
        assert (await client.get("/datasets/bad/v1")).status_code == 422
        assert "changed" in (await client.get("/datasets")).text


async def test_the_description_has_every_call_and_every_shape(tmp_path):
    async with asked(tmp_path) as client:
        found = (await client.get("/api/v1/openapi.json")).json()
        shapes = found["components"]["schemas"]
        answers = [call for calls in found["paths"].values() for call in calls.values()]
        calls = {call["operationId"]: call for call in answers}
        assert len(calls) == len(answers) > 25
        assert set(SHAPES) < set(calls)
        job = calls["get_job"]["responses"]["200"]["content"]["application/json"]
        assert job == {"schema": {"$ref": "#/components/schemas/Job"}}
        text = msgspec.json.encode(found).decode()
        for reference in set(text.split('"$ref":"#/components/schemas/')[1:]):
            assert reference.split('"')[0] in shapes
        assert "datasets" not in [path for path in found["paths"] if not path.startswith(("/api/v1", "/metrics"))]


async def test_every_call_of_the_description_answers_nonsense_without_failing(tmp_path):
    """As a fuzzer would: each path with odd values in each place, none of which may end in an error of ours."""
    version(tmp_path, "pairs", [pair(0)], [rejection(0)])
    odd = ["pairs", "v1", "0", "-1", "%00", "'", "\u202e", "9" * 30, "latest", "rows", "true", "{}", "a" * 300]
    async with asked(tmp_path, headers=OURS) as client:
        paths = (await client.get("/api/v1/openapi.json")).json()["paths"]
        for path, calls in paths.items():
            for method in calls:
                if path.endswith("/events"):
                    continue  # does not end
                for value in odd:
                    filled = "/".join(value if part.startswith("{") else part for part in path.split("/"))
                    query = {"first": value, "second": value, "of": value, "run": value, "path": value, "where": value}
                    body = {"json": {"kind": value}} if method == "post" else {}
                    response = await client.request(method, filled, params=query, **body)
                    assert response.status_code < 500, (method, filled, response.text)


async def test_metrics_say_what_runs(tmp_path):
    async with asked(tmp_path, headers=OURS, limits={"max_cost_usd_per_day": 5}) as client:
        job = (await client.post("/api/v1/jobs", json=JOB)).json()["id"]
        store = client.app.state.service.jobs
        with store.transaction() as connection:
            connection.execute("UPDATE job SET state = 'running', started = ? WHERE id = ?", (time.time(), job))
        model = ModelProgress(
            model='a"b\\c',
            engine="openai",
            in_flight=3,
            limit=64,
            requests=9,
            answered=5,
            refused=2,
            retried={"timeout": 4},
        )
        line = ProgressLine(
            time=time.time(), rows=10, done=4, completion_tokens=12_345_678, spent_usd=0.5, models=[model]
        )
        folder = job_folder(tmp_path, job)
        folder.mkdir(parents=True)
        (folder / PROGRESS).write_bytes(msgspec.json.encode(line) + b"\n")
        text = (await client.get("/metrics")).text
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    labels = f'job="{job}",kind="build traces"'
    assert samples['factory_jobs{state="running"}'] == "1"
    assert samples[f"factory_job_completion_tokens_total{{{labels}}}"] == "12345678"
    assert samples["factory_budget_usd_per_day"] == "5"
    named = f'{labels},model="a\\"b\\\\c"'
    assert samples[f"factory_model_limit{{{named}}}"] == "64"
    assert samples[f'factory_model_retries_total{{{named},class="timeout"}}'] == "4"
    assert float(samples['factory_http_requests_total{method="POST",status="201"}']) == 1
    assert 'factory_http_request_seconds_bucket{le="+Inf"}' in samples
