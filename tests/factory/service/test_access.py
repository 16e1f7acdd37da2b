"""Who may ask for what: hosts, origins, tokens, forms, sizes, names and links."""

import os

import httpx
import pytest

from factory.service.settings import Settings, read_token
from schemas.errors import DataError
from tests.factory.looking.workspace import version
from tests.factory.service.space import BASE, OURS, TOKEN, asked
from tests.schemas.rows import prompt

JOB = {"kind": "traces", "data": "prompts@v1"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8420", 200),
        ("localhost:8420", 200),
        ("LOCALHOST:8420", 200),
        ("[::1]:8420", 200),
        ("evil.example", 421),
        ("evil.example:8420", 421),
        ("127.0.0.1:8420.evil.example", 421),
        ("127.0.0.1.evil.example:8420", 421),
        ("localhost:9999", 421),
        ("", 421),
    ],
)
async def test_only_known_hosts_are_answered(tmp_path, host, status):
    async with asked(tmp_path) as client:
        assert (await client.get("/api/v1/status", headers={"host": host})).status_code == status


async def test_two_hosts_are_none(tmp_path):
    async with asked(tmp_path) as client:
        headers = [("host", "127.0.0.1:8420"), ("host", "evil.example")]
        request = httpx.Request("GET", f"{BASE}/api/v1/status", headers=headers)
        assert (await client.send(request)).status_code == 421


async def test_a_trusted_host_is_answered(tmp_path):
    async with asked(tmp_path, trusted_hosts=["box.example"]) as client:
        assert (await client.get("/api/v1/status", headers={"host": "box.example"})).status_code == 200
        assert (await client.get("/api/v1/status", headers={"host": "x.box.example"})).status_code == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": BASE}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:8421"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, 200),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),  # a link in somebody's notes
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),  # an image, a script
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, 403),  # another port of this machine
    ],
)
async def test_what_other_sites_send_is_refused(tmp_path, headers, status):
    async with asked(tmp_path) as client:
        assert (await client.get("/api/v1/status", headers=headers)).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {**OURS, "origin": "http://evil.example"},
        {**OURS, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
async def test_a_post_without_our_header_or_from_elsewhere_changes_nothing(tmp_path, headers):
    async with asked(tmp_path) as client:
        response = await client.post("/api/v1/jobs", json=JOB, headers=headers)
        assert response.status_code == 403
        assert (await client.get("/api/v1/jobs")).json() == []


async def test_a_form_needs_its_token(tmp_path):
    async with asked(tmp_path) as client:
        own = client.app.state.service.access.form_token
        for form_token in ({}, {"form_token": ""}, {"form_token": "guessed"}, {"form_token": own[:-1]}):
            response = await client.post("/runs", data={"kind": "traces", **form_token})
            assert response.status_code == 403
        assert (await client.get("/api/v1/jobs")).json() == []
        response = await client.post("/runs", data={"kind": "traces", "data": "prompts@v1", "form_token": own})
        assert response.status_code == 303
        assert [job["command"] for job in (await client.get("/api/v1/jobs")).json()] == [
            ["factory", "build", "traces", "--data", "prompts@v1"]
        ]


async def test_a_token_is_asked_for_everywhere(tmp_path):
    async with asked(tmp_path, token=TOKEN) as client:
        for path in ("/api/v1/status", "/runs", "/metrics", "/api/v1/openapi.json", "/loginx", "/nowhere"):
            assert (await client.get(path)).status_code == 401
        for wrong in ("", "Bearer", "Bearer wrong", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}"):
            assert (await client.get("/api/v1/status", headers={"authorization": wrong})).status_code == 401
        right = {"authorization": f"Bearer {TOKEN}"}
        assert (await client.get("/api/v1/status", headers=right)).status_code == 200
        assert (await client.get("/static/style.css")).status_code == 200
        assert (await client.post("/api/v1/jobs", json=JOB, headers=OURS)).status_code == 401


async def test_a_person_logs_in_and_out(tmp_path):
    async with asked(tmp_path, token=TOKEN) as client:
        refused = await client.get("/datasets?x=1", headers={"accept": "text/html"})
        assert (refused.status_code, refused.headers["location"]) == (303, "/login?next=%2Fdatasets%3Fx%3D1")
        own = client.app.state.service.access.form_token
        form = {"form_token": own, "next": "/datasets?x=1"}
        assert (await client.post("/login", data={**form, "token": "wrong"})).status_code == 401
        assert not client.cookies
        entered = await client.post("/login", data={**form, "token": TOKEN})
        assert (entered.status_code, entered.headers["location"]) == (303, "/datasets?x=1")
        assert "HttpOnly" in entered.headers["set-cookie"]
        assert TOKEN not in entered.headers["set-cookie"]
        assert (await client.get("/datasets")).status_code == 200
        assert (await client.post("/logout", data={"form_token": own})).status_code == 303
        assert (await client.get("/datasets")).status_code == 401


@pytest.mark.parametrize(
    "away", ["https://evil.example/", "//evil.example", "/\\evil.example", "/a\nb", "javascript:1"]
)
async def test_logging_in_leads_nowhere_else(tmp_path, away):
    async with asked(tmp_path, token=TOKEN) as client:
        own = client.app.state.service.access.form_token
        entered = await client.post("/login", data={"form_token": own, "next": away, "token": TOKEN})
        assert entered.headers["location"] == "/"


async def test_bodies_and_addresses_have_an_end(tmp_path):
    async with asked(tmp_path, limits={"max_body_bytes": 2000}) as client:
        large = {**JOB, "title": "x" * 3000}
        assert (await client.post("/api/v1/jobs", json=large, headers=OURS)).status_code == 413

        async def pieces():  # no length is told
            for _ in range(30):
                yield b" " * 100

        assert (await client.post("/api/v1/jobs", content=pieces(), headers=OURS)).status_code == 413
        assert (await client.get(f"/api/v1/datasets?x={'y' * 9000}")).status_code == 414
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            assert (await client.request(method, "/api/v1/jobs", headers=OURS)).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/datasets/..",
        "/api/v1/datasets/../secret/v1",
        "/api/v1/datasets/%2e%2e%2fsecret/v1",
        "/api/v1/datasets/..%2fsecret/v1",
        "/api/v1/datasets/.factory/v1",
        "/api/v1/datasets/%2fetc/v1",
        "/api/v1/datasets/secret/v1",
        "/api/v1/datasets/link/v1",
        "/api/v1/datasets/link/v1/rows",
        "/datasets/link/v1/samples/0",
        "/static/../app.py",
        "/static/%2e%2e%2fpage.py",
        "/api/v1/training/../secret",
        "/api/v1/training/%2e%2e/secret",
        "/api/v1/jobs/..%2f..%2fetc/log",
        "/api/v1/jobs/../../../etc/passwd/log",
    ],
)
async def test_no_name_leads_out_of_the_workspace(tmp_path, path):
    version(tmp_path / "away", "secret", [prompt(0)])
    home = tmp_path / "home"
    version(home, "here", [prompt(1)])
    os.symlink(tmp_path / "away" / "secret", home / "link")
    async with asked(home) as client:
        assert (await client.get("/api/v1/datasets/here/v1")).status_code == 200
        request = httpx.Request(
            "GET", httpx.URL(BASE).copy_with(raw_path=path.encode()), headers={"host": "127.0.0.1:8420"}
        )
        response = await client.send(request)
        assert response.status_code in (400, 404, 422), response.text
        assert "secret" not in [line["name"] for line in (await client.get("/api/v1/datasets")).json()]


async def test_every_answer_carries_the_policy(tmp_path):
    async with asked(tmp_path) as client:
        for path in ("/runs", "/nowhere", "/api/v1/jobs", "/static/page.js", "/api/v1/jobs/0"):
            headers = (await client.get(path)).headers
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in headers


def test_another_address_needs_a_token(monkeypatch):
    monkeypatch.delenv("FACTORY_TOKEN", raising=False)
    assert read_token(Settings()) is None
    assert read_token(Settings(host="::1")) is None
    with pytest.raises(DataError, match="FACTORY_TOKEN"):
        read_token(Settings(host="10.0.0.5"))
    monkeypatch.setenv("FACTORY_TOKEN", "short")
    with pytest.raises(DataError, match="16 printable"):
        read_token(Settings())
    monkeypatch.setenv("FACTORY_TOKEN", TOKEN)
    assert read_token(Settings(host="10.0.0.5")) == TOKEN
    with pytest.raises(DataError, match="trusted_hosts"):
        read_token(Settings(host="0.0.0.0"))
    assert read_token(Settings(host="0.0.0.0", trusted_hosts=["box.example"])) == TOKEN
