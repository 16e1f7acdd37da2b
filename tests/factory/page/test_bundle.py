"""A folder of pages: every link leads to a file of it, and nothing is loaded from elsewhere."""

import re
from html import unescape
from urllib.parse import unquote

import pytest

from factory.cli import main
from factory.page.bundle import write_bundle
from schemas.datasets import open_version
from schemas.errors import DataError
from schemas.manifest import InputRef
from tests.factory.looking.workspace import library, version
from tests.schemas.rows import pair, rejection

LINKS = re.compile(r'(?:href|src|action)="([^"]*)"')


def test_every_link_leads_to_a_file(tmp_path):
    home = tmp_path / "home"
    read = InputRef(
        name="other", version=1, sha256=open_version(version(home, "other", [pair(9)]), home).manifest.sha256
    )
    version(home, "pairs", [pair(20)], number=1)  # the parent, which is not asked for
    rows = [pair(number) for number in range(7)]
    ref = version(home, "pairs", rows, [rejection(0), rejection(1)], inputs=[read])
    written = write_bundle(tmp_path / "out", [(library(home), ref)], 5)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    pages = {name for name in names if name.endswith(".html")}
    assert len(pages) == written == 1 + 1 + (1 + 5) + (1 + 2)
    for name in pages:
        text = (tmp_path / "out" / name).read_text()
        assert "default-src 'none'" in unescape(text)
        for link in LINKS.findall(text):
            assert link.startswith("#") or unquote(link) in names, (name, link)
        assert "<form" not in text


def test_the_command_writes_it(tmp_path, monkeypatch, capsys):
    version(tmp_path / "home", "pairs", [pair(0)])
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path / "home"))
    assert main(["view", "bundle", str(tmp_path / "out"), "pairs@v1"]) == 0
    assert (tmp_path / "out" / "pairs.v1.html").exists()
    assert main(["view", "bundle", str(tmp_path / "out"), "pairs@v1"]) == 2
    assert "not empty" in capsys.readouterr().err
    assert main(["view", "bundle", str(tmp_path / "more"), str(tmp_path / "home" / "pairs")]) == 0
    assert main(["view", "bundle", str(tmp_path / "none"), "nothing@v1"]) == 2


def test_two_versions_of_one_name_are_refused(tmp_path):
    found = []
    for home in ("a", "b"):
        ref = version(tmp_path / home, "pairs", [pair(0)])
        found.append((library(tmp_path / home), ref))
    with pytest.raises(DataError, match="one name"):
        write_bundle(tmp_path / "out", found, 5)
