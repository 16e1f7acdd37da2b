"""The pages in a real browser: hostile text in every column, keys, live pages, narrow screens, both colour schemes."""

import re

import pytest

from tests.factory.looking.workspace import version
from tests.factory.service.browser import CONTRAST, Watched, browser
from tests.factory.service.hostile import TEXTS, hostile_workspace
from tests.factory.service.space import listening
from tests.schemas.rows import pair, rejection

__all__ = ["browser"]
PLANTED = "#planted, iframe, img, object, embed, base, main script, main link, main style, main meta"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    home = tmp_path_factory.mktemp("hostile")
    hostile_workspace(home)
    with listening(home) as base:
        yield base


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    home = tmp_path_factory.mktemp("plain")
    version(home, "pairs", [pair(number, score_chosen=number / 40) for number in range(40)], [rejection(0)])
    with listening(home) as base:
        yield base


def test_hostile_text_in_every_column_does_nothing(browser, hostile):
    tab = Watched(browser, hostile)
    for name in ("prompts", "completions", "traces", "pairs", "rates"):
        base = f"/datasets/{name}/v1"
        samples = [f"{base}/samples/{number}" for number in range(len(TEXTS) + 1)]
        for path in (base, f"{base}/samples", f"{base}/rejected", f"{base}/rejected/1", *samples):
            page = tab.open(path)
            for fold in page.query_selector_all("details"):
                fold.evaluate("fold => { fold.open = true }")
            assert page.query_selector_all(PLANTED) == [], path
            assert "owned" not in page.title(), path
            links = page.eval_on_selector_all("a", "all => all.map(a => a.getAttribute('href'))")
            assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in links), path
            assert page.url == hostile + path
            assert tab.is_clean(), (path, tab.away, tab.dialogs, tab.errors)


def test_keys_go_through_rows_pages_and_samples(browser, plain):
    tab = Watched(browser, plain)
    page = tab.open("/datasets/pairs/v1/samples?limit=10&sort=-score_chosen")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.textContent") == "39"
    page.keyboard.press("n")
    page.wait_for_url(re.compile("offset=10"))
    page.keyboard.press("p")
    page.wait_for_url(lambda url: "offset=10" not in url)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.type("j k n")  # letters in a field are letters
    assert page.input_value("[name=q]") == "j k n"
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("samples/39"))
    page.keyboard.press("j")
    page.wait_for_url(re.compile("samples/38"))  # on in the order of the list
    page.keyboard.press("u")
    page.wait_for_url(re.compile(r"samples\?"))
    assert tab.is_clean()


def test_a_filter_is_set_without_the_script(browser, plain):
    tab = Watched(browser, plain, java_script_enabled=False)
    page = tab.open("/datasets/pairs/v1/samples")
    page.select_option("[name=column]", "score_chosen")
    page.select_option("[name=operator]", "below")
    page.fill("[name=value]", "0.1")
    page.click("button:has-text('Show')")
    assert page.locator("tbody tr").count() == 4
    page.click(".chip a")
    assert page.locator("tbody tr").count() == 25
    page.click("a[rel=next]")
    assert page.locator("tbody tr").count() == 15


def test_what_is_unfolded_stays_so_in_the_next_sample(browser, plain):
    tab = Watched(browser, plain)
    page = tab.open("/datasets/pairs/v1/samples/3")
    thoughts = page.locator("details[data-fold=reasoning] .thoughts").first
    assert not thoughts.is_visible()
    page.locator("details[data-fold=reasoning] summary").first.click()
    page.wait_for_function("sessionStorage.getItem('fold reasoning') === 'open'")  # a task of its own, after the click
    page.keyboard.press("j")
    page.wait_for_url(re.compile("samples/4"))
    thoughts.wait_for(state="visible")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_pages_do_not_scroll_sideways_and_can_be_read(browser, plain, scheme):
    tab = Watched(browser, plain, viewport={"width": 400, "height": 800}, color_scheme=scheme)
    paths = ["/runs", "/datasets", "/datasets/pairs/v1", "/datasets/pairs/v1/samples", "/datasets/pairs/v1/samples/0"]
    for path in [*paths, "/lineage", "/training", "/schedules", "/compare?first=pairs&second=pairs", "/nowhere"]:
        page = tab.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, path
        assert page.evaluate(CONTRAST) == [], path
    assert [error for error in tab.errors if "404" not in error] == []


def test_a_live_page_changes_by_itself(browser, tmp_path):
    with listening(tmp_path) as base:
        tab = Watched(browser, base)
        page = tab.open("/runs")
        assert page.locator("#all tbody tr").count() == 0
        page.request.post(f"{base}/api/v1/jobs", data={"kind": "traces", "data": "x@v1"}, headers={"x-factory": "1"})
        page.wait_for_selector("#all tbody tr", timeout=20_000)
        page.click("#all tbody a")
        page.click("text=Cancel…")
        page.click("text=Cancel the run")
        page.wait_for_selector("h1 + p .state.cancelled", timeout=20_000)
        assert tab.is_clean(), tab.errors
