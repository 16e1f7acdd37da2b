"""The page: well-formed, alone, the same each time, and safe whatever a model wrote."""

import base64
import hashlib
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from tests.schemas.rows import pass_rate
from tests.trainer.report.made import ReportSpace, a_prompt, first, forty_prompts

VOID = {"meta", "br", "hr", "img", "link", "input"}
DRAWN = {"svg", "rect", "line", "polyline", "polygon", "circle", "text"}
KNOWN = DRAWN | {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "article", "h1", "h2", "h3", "h4"),
    *("p", "pre", "div", "dl", "dt", "dd", "ul", "li", "figure", "figcaption"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
}
HOSTILE = (
    "<script>alert(1)</script>",
    "</style><script>alert(2)</script>",
    "</pre></section><img src=x onerror=alert(3)>",
    '" onmouseover="alert(4)',
    "<svg onload=alert(5)>",
    "<a href='javascript:alert(6)'>x</a>",
    "{{ 7 * 7 }}{% for a in b %}",
    "&lt;b&gt; &amp;",
)


class Page(HTMLParser):
    """Every element with its attributes, closed in order, and the text by element."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.text = [], [], {}
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names))
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        where = self.open[-1] if self.open else ""
        self.text.setdefault(where, []).append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self, tag):
        return "".join(self.text.get(tag, []))


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A page with everything that there can be."""
    space = ReportSpace(tmp_path_factory.mktemp("report"))
    space.version(forty_prompts())
    base = space.evaluation("base", first(10, of=40, n=2))
    sft = [space.evaluation(f"sft-{n}", first(28 + n, of=40, n=2)) for n in range(2)]
    random = space.evaluation("random", first(9, of=40, n=2))
    greedy = space.evaluation("greedy", first(30, of=40), temperature=0.0)
    space.version([pass_rate(n) for n in range(3)], name="rates")
    steps = [(step, 100.0 + step, "train", {"loss": 1 / step}) for step in range(1, 5)]
    runs = ",".join(space.run(f"ckpt/sft-{n}", "sft", steps) for n in range(2))
    words = [f"base={base}", f"sft={','.join(sft)}", "--control", f"random={random}", "--greedy", f"base={greedy}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACTORY_HOME", str(space.home))
        return space.report(*words, "--runs", f"sft={runs}", "--pass-rate", "before=rates@v1")[0]


def test_the_page_is_well_formed(text):
    page = Page(text)
    assert {tag for tag, _ in page.elements} <= KNOWN
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    tables = len(page.of("table"))
    assert tables == len(page.of("caption")) == 5
    assert all(each.get("scope") in ("col", "row") for each in page.of("th"))
    pictures = [each for each in page.of("svg") if "aria-hidden" not in each]
    assert len(pictures) == 2 + 1 + 2 + 1  # families, pass@k, histograms, loss
    assert all(each["role"] == "img" and len(each["aria-label"]) > 20 for each in pictures)
    assert all("lang" in each for each in page.of("html"))


def test_nothing_is_loaded_from_anywhere(text):
    page = Page(text)
    loading = {"src", "href", "srcset", "action", "data", "poster", "background", "style", "xlink:href"}
    assert not [attributes for _, attributes in page.elements if loading & attributes.keys()]
    assert not re.search(r"url\(|@import|https?:", text)
    [policy] = [each["content"] for each in page.of("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    digest = base64.b64encode(hashlib.sha256(page.words("style").encode()).digest()).decode()
    assert rules["style-src"] == f"'sha256-{digest}'"  # the one style, and no other
    assert rules.keys() == {"default-src", "style-src", "base-uri", "form-action"}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_a_model_wrote_is_text(bare, hostile):
    bare.version([a_prompt(hostile, hostile, family=hostile, level=hostile), a_prompt("q", "1", family="b", level="c")])
    base = bare.evaluation("base", [[False], [True]], text=lambda prompt, right: hostile, model=hostile)
    sft = bare.evaluation("sft", [[True], [False]], text=lambda prompt, right: hostile)
    name = f"a{re.sub('[=:,]', '', hostile)}"[:40]
    page = Page(bare.report(f"{name}={base}", f"sft={sft}")[0])
    assert {tag for tag, _ in page.elements} <= KNOWN
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
    assert page.words("pre").count(hostile) == 2 + 2 * 2  # a prompt, its ground truth, two answers to each of two
    assert f"{hostile}, {hostile}" in page.words("th")  # the group
    assert page.text["td"].count(hostile) == 1  # the model
    assert page.words("h4").count(name) == 2


def test_what_cannot_be_seen_is_made_visible(space):
    text = "a\u202eb\u200bc\x1b[31md\x00e\u2066f\ng\th"
    base = space.evaluation("base", first(0, of=40), text=lambda prompt, right: text)
    found, _ = space.report(f"base={base}")
    assert r"a\u{202e}b\u{200b}c\u{1b}[31md\u{0}e\u{2066}f" + "\ng\th" in Page(found).words("pre")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00-\x08\x1b]", found)


def test_right_and_wrong_are_told_in_words(text):
    page = Page(text)
    assert "base: ✗ wrong" in page.words("h4")
    assert "sft: ✓ right" in page.words("h4")


def test_equal_reports_have_equal_bytes(space):
    words = [f"{name}={space.evaluation(name, first(right, of=40))}" for name, right in (("base", 10), ("sft", 30))]
    pages = []
    for seed in ("1", "2"):
        out = space.home / f"{seed}.html"
        command = [sys.executable, "-m", "trainer.cli", "report", *words, "--out", str(out)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.DEVNULL)
        pages.append(out.read_bytes())
    assert pages[0] == pages[1]
