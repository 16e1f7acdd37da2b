"""Each page, over a workspace whose every column holds text that would act if it could."""

from html.parser import HTMLParser

import pytest

from tests.factory.looking.workspace import version
from tests.factory.service.hostile import AWAY, TEXTS, hostile_workspace
from tests.factory.service.space import OURS, asked
from tests.schemas.rows import pair, rejection

ALLOWED = {"style.css", "page.js", "icon.svg"}


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text):
        super().__init__()
        self.scripts, self.loads, self.handlers, self.links, self.ids = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.handlers += [name for name in told if name.startswith("on") or name == "style"]
        self.ids.append(told.get("id"))
        if tag == "script":
            self.scripts.append(told.get("src"))
        if tag in ("img", "iframe", "object", "embed", "base"):
            self.loads.append(told)
        if tag == "link":
            self.loads += [] if told["href"].startswith("/static/") else [told]
        self.links += [told[name] for name in ("href", "src", "action") if name in told]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("hostile")
    hostile_workspace(home)
    return home


SHOWN = [
    f"/datasets/{name}/v1{rest}"
    for name in ("prompts", "completions", "traces", "pairs", "rates")
    for rest in (
        *("", "/samples", "/rejected", "/rejected/0", "/rejected/5", "/samples?q=onerror", "/rejected?q=onerror"),
        *(f"/samples/{number}" for number in range(len(TEXTS) + 1)),
    )
]
ASKED = [
    *("/datasets", "/runs", "/schedules", "/training", "/lineage", "/compare", "/nowhere", f"/lineage?of={TEXTS[0]}"),
    f"/compare?first=completions&second=pairs&labels={TEXTS[0]}",
    f"/compare?first={TEXTS[2]}&second=pairs&first_model={TEXTS[1]}",
    f"/datasets/pairs/v1/samples?q={TEXTS[0]}&where=judge:contains:{TEXTS[2]}",
    f"/datasets/pairs/v1/samples?where={TEXTS[1]}",
]


async def test_no_text_becomes_a_node(home):
    async with asked(home) as client:
        for path in (*SHOWN, *ASKED):
            response = await client.get(path)
            assert response.status_code in ((200,) if path in SHOWN else (200, 400, 404)), (path, response.text[:300])
            text = response.text
            assert path not in SHOWN or "&lt;" in text or "\\u{202e}" in text, path
            page = Page(text)
            assert len(page.scripts) == 1, path
            assert page.scripts[0].startswith("/static/page.js?"), path
            assert (page.loads, page.handlers) == ([], []), path
            assert "planted" not in page.ids, path
            assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in page.links), path
            for char in ("\u202e", "\u2066", "\x1b", "\x07", "\u200b", "\ufeff", "\u2028"):
                assert char not in text, path
            assert len(text) < 400_000, path


async def test_templates_in_texts_are_not_filled_in(home):
    async with asked(home) as client:
        text = (await client.get("/datasets/completions/v1/samples/3")).text
        assert "{{7*7}} ${7*7} {% raw %}" in text


async def test_a_long_text_is_cut_and_can_be_read_on(home):
    async with asked(home) as client:
        number = len(TEXTS)
        page = (await client.get(f"/datasets/prompts/v1/samples/{number}")).text
        assert "more characters" in page
        path = "prompt[0].content"
        shown = await client.get(f"/datasets/prompts/v1/samples/{number}/text", params={"path": path})
        assert shown.status_code == 200
        assert "&lt;b&gt;xxxx" in shown.text
        assert 'rel="next"' in shown.text


async def test_a_filter_of_the_form_becomes_one_of_the_address(tmp_path):
    version(tmp_path, "pairs", [pair(number) for number in range(6)], [rejection(0)])
    async with asked(tmp_path) as client:
        form = {"q": "and", "column": "score_chosen", "operator": "from", "value": "0.5", "where": "judge:there"}
        response = await client.get("/datasets/pairs/v1/samples", params=form)
        assert response.status_code == 303
        where = response.headers["location"]
        assert "score_chosen%3Afrom%3A0.5" in where
        assert "judge%3Athere" in where
        shown = await client.get(where)
        assert shown.status_code == 200
        assert "score_chosen at least 0.5" in shown.text
        unknown = await client.get("/datasets/pairs/v1/samples", params={"where": "nope:is:1"})
        assert unknown.status_code == 400
        assert "nope" in unknown.text


async def test_samples_page_on_in_the_order_that_was_asked_for(tmp_path):
    rows = [pair(number, score_chosen=number / 10) for number in range(8)]
    version(tmp_path, "pairs", rows)
    async with asked(tmp_path) as client:
        query = "where=score_chosen%3Afrom%3A0.3"
        first = (await client.get(f"/datasets/pairs/v1/samples/3?{query}")).text
        assert f'rel="next" href="/datasets/pairs/v1/samples/4?{query.replace("=", "=")}"' in first
        assert 'rel="prev"' not in first


async def test_one_dataset_alone(tmp_path):
    version(tmp_path, "shown", [pair(0)])
    version(tmp_path, "other", [pair(1)])
    async with asked(tmp_path, only="shown") as client:
        assert (await client.get("/")).headers["location"] == "/datasets/shown"
        assert (await client.get("/datasets/shown/v1")).status_code == 200
        assert (await client.get("/datasets/other/v1")).status_code == 404
        for path in ("/runs", "/schedules", "/api/v1/jobs", "/api/v1/schedules"):
            assert (await client.get(path)).status_code == 404
        posted = await client.post("/api/v1/jobs", json={"kind": "traces"}, headers=OURS)
        assert posted.status_code == 404
        assert not (tmp_path / ".factory" / "service.sqlite").exists()


async def test_pages_are_written_for_anybody_to_read(tmp_path):
    """Every field has a name, every table's column, too; the language is said."""
    version(tmp_path, "pairs", [pair(0)], [rejection(0)])
    async with asked(tmp_path) as client:
        for path in ("/runs", "/schedules", "/compare", "/datasets/pairs/v1/samples", "/datasets/pairs/v1"):
            text = (await client.get(path)).text
            assert '<html lang="en">' in text
            assert text.count("<h1") == 1
            assert "<th>" not in text  # each says what it is the head of
            fields = Fields(text)
            assert fields.unnamed == [], path


class Fields(HTMLParser):
    """Fields that nothing names."""

    def __init__(self, text):
        super().__init__()
        self.unnamed, self._labels = [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self._labels += tag == "label"
        is_field = tag in ("input", "select", "textarea") and told.get("type") != "hidden"
        if is_field and not self._labels and "aria-label" not in told:
            self.unnamed.append(told)

    def handle_endtag(self, tag):
        self._labels -= tag == "label"


def test_the_corpus_names_a_place_away():
    assert sum(AWAY in text for text in TEXTS) >= 4
