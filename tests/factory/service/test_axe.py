"""Every kind of page by axe's rules of WCAG 2, levels A and AA, wide and narrow, light and dark, in a real browser."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from tests.factory.service.browser import Watched, browser
from tests.factory.service.rich import rich_workspace
from tests.factory.service.space import listening

__all__ = ["browser"]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
SCHEMES = {"light": RULES, "dark": OF_COLOURS}  # nothing but colours differs
WIDTHS = (1280, 400)
PLACES = ("/runs", "/datasets", "/lineage", "/training", "/schedules", "/people", "/compare", "/login", "/nowhere")
ASKED = (
    "/lineage?of=pairs%40v2",
    "/compare?first=answers%40v1&second=answers%40v2&labels=labels",
    "/training/ckpt/dpo",
    "/training/over?run=ckpt/sft&run=ckpt/dpo",
    "/people/doubtful",
    "/people/doubtful?person=cy",
)
VERSIONS = tuple(f"/datasets/{name}/latest" for name in ("clean", "rates", "pairs"))
ROWS = (
    "/datasets/pairs/v2/samples",
    "/datasets/pairs/v2/samples?where=score_chosen%3Aabove%3A0.8&q=loaves",
    "/datasets/pairs/v2/rejected",
    "/datasets/pairs/v2/samples/3",
    "/datasets/pairs/v2/samples/3/text?path=chosen%5B0%5D.content",
    "/datasets/clean/v1/rejected/0",
    *(f"/datasets/{name}/latest/samples/1" for name in ("traces", "rates", "labels")),
)


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """Made before the browser: its loop would be in the way of builds."""
    home = tmp_path_factory.mktemp("rich")
    return home, rich_workspace(home)


@pytest.fixture(scope="module")
def rich(space, browser):
    """A tab over a service, and the pages of its jobs and schedules. Its policy lets no script of axe in: bypassed."""
    home, found = space
    with listening(home) as base:
        tab = Watched(browser, base, bypass_csp=True)
        for path in (*VERSIONS, "/datasets/pairs/v1"):
            tab.open(f"/api/v1{path}/columns")  # counted from now on
        tab.made = [f"/runs/{found.jobs[state]}" for state in ("done", "failed", "running", "queued")]
        tab.made.append(f"/schedules/{found.schedules[0]}")
        yield tab


def broken(page, rules=RULES):
    """What a page breaks: rule, node and why."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate("rules => axe.run(rules).then(found => found.violations)", rules)
    return [(each["id"], node["target"], node["failureSummary"]) for each in found for node in each["nodes"]]


@pytest.mark.parametrize(
    "paths", [PLACES, ASKED, VERSIONS, ROWS, ()], ids=["places", "asked", "versions", "rows", "made"]
)
def test_every_page_can_be_used_by_everybody(rich, paths):
    for path in paths or rich.made:
        page = rich.open(path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.eval_on_selector_all("details", "(all, open) => all.forEach(each => each.open = open)", width == 400)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
            for scheme, rules in SCHEMES.items():
                page.emulate_media(color_scheme=scheme)
                assert broken(page, rules) == [], (path, width, scheme)


def test_axe_sees_what_is_broken(rich):
    page = rich.open("/runs")
    words = "<img src=/x><input><p style='color: #777; background: #888'>words</p>"
    page.evaluate("words => document.querySelector('main').insertAdjacentHTML('beforeend', words)", words)
    assert {rule for rule, _, _ in broken(page)} == {"image-alt", "label", "color-contrast"}
    assert {rule for rule, _, _ in broken(page, OF_COLOURS)} == {"color-contrast"}
