"""What changes in the workspace shows on the next request, whatever the service keeps."""

import shutil

import pytest

from factory.cli import main
from tests.factory.looking.workspace import version
from tests.factory.service.space import asked
from tests.schemas.rows import pair, prompt

API = "/api/v1/datasets"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path / "home"))
    version(tmp_path / "home", "one", [pair(0), pair(1)])
    return tmp_path / "home"


async def json(client, path):
    response = await client.get(path)
    assert response.status_code == 200, (path, response.text)
    return response.json()


async def text(client, path):
    response = await client.get(path)
    assert response.status_code == 200, (path, response.text)
    return response.text


async def look_at_all(client):
    """So that whatever may be kept is kept."""
    for path in ("", "/samples", "/samples/1", "/samples?where=judge:there"):
        await text(client, f"/datasets/one/latest{path}")
        await text(client, f"/datasets/one/v1{path}")
    for path in ("/datasets", "/lineage", "/lineage?of=one@v1", API, f"{API}/one", f"{API}/one/latest/rows"):
        await client.get(path)


async def test_a_new_version(home):
    async with asked(home) as client:
        await look_at_all(client)
        assert (await client.get(f"{API}/one/v2")).status_code == 404
        version(home, "one", [pair(number) for number in range(3)], number=2)
        assert (await json(client, f"{API}/one/latest"))["line"]["ref"] == "one@v2"
        assert (await json(client, f"{API}/one/latest/rows"))["of"] == 3
        assert [line["version"] for line in await json(client, f"{API}/one")] == [2, 1]
        assert [line["versions"] for line in await json(client, API)] == [2]
        assert "one@v2, row 2" in await text(client, "/datasets/one/latest/samples/2")
        assert "one@v2" in await text(client, "/lineage")
        assert 'href="/datasets/one/v2"' in await text(client, "/datasets/one/v1")
        assert (await json(client, f"{API}/one/v1/rows"))["of"] == 2


async def test_a_tag_that_moves(home):
    version(home, "one", [pair(0), pair(1), pair(2)], number=2)
    async with asked(home) as client:
        for number in (1, 2, 1):
            assert main(["datasets", "tag", f"one@v{number}", "best"]) == 0
            await look_at_all(client)
            assert (await json(client, f"{API}/one/best"))["line"]["version"] == number
            assert (await json(client, f"{API}/one/best/rows"))["of"] == number + 1
            assert (await json(client, API))[0]["tags"] == {"best": number}
            assert ">best<" in await text(client, f"/datasets/one/v{number}/samples/0")
            assert ">best<" not in await text(client, f"/datasets/one/v{3 - number}/samples/0")


async def test_a_dataset_that_is_removed_and_another_of_its_name(home, tmp_path):
    async with asked(home) as client:
        await look_at_all(client)
        shutil.rmtree(home / "one")
        for path in ("/datasets/one/v1", "/datasets/one/v1/samples", "/datasets/one/latest/samples/0"):
            assert (await client.get(path)).status_code == 404
        for path in ("/one", "/one/v1", "/one/v1/rows", "/one/v1/rows/0", "/one/v1/columns"):
            assert (await client.get(f"{API}{path}")).status_code == 404
        assert await json(client, API) == []
        assert "one@v1" not in await text(client, "/lineage")
        version(tmp_path / "outside", "one", [prompt(7)])
        (home / "one").symlink_to(tmp_path / "outside" / "one")
        assert (await client.get(f"{API}/one/v1/rows/0")).status_code == 404
        (home / "one").unlink()
        version(home, "one", [prompt(8), prompt(9)])
        assert (await json(client, f"{API}/one/v1"))["line"]["kind"] == "prompts"
        rows = (await json(client, f"{API}/one/v1/rows"))["rows"]
        assert [row["key"] for row in rows] == [prompt(8).prompt_id, prompt(9).prompt_id]
        assert prompt(9).prompt_id in await text(client, "/datasets/one/v1/samples/1")
