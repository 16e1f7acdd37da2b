"""Labelling in a real browser: by keys alone, with a note, taken back; narrow, and in both colour schemes."""

from __future__ import annotations

import re

import pytest

from tests.factory.people.space import space
from tests.factory.service.browser import CONTRAST, Watched, browser
from tests.factory.service.space import listening

__all__ = ["browser", "space"]


def said(space):
    return [(label.item, label.choice, label.note) for label in space.store.labels("q")]


def press(page, key, then):
    page.keyboard.press(key)
    page.wait_for_selector(f"text={then}")


def test_pairs_are_labelled_by_keys(browser, space):
    space.queue("q", data=space.pairs(5), rubric="Which helps more?")
    with listening(space.home) as base:
        tab = Watched(browser, base)
        page = tab.open("/people")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/people/q$"))
        page.fill("[name=person]", "ann")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=0 labels so far")
        press(page, "1", "1 label so far")
        press(page, "2", "2 labels so far")
        press(page, "t", "3 labels so far")
        press(page, "s", "4 labels so far")
        press(page, "z", "3 labels so far")  # the pair that was skipped is there again
        page.keyboard.press("/")
        page.keyboard.type("1 2 t s z")  # letters in the note are letters
        page.keyboard.press("Enter")  # no button is pressed by it
        assert "3 labels so far" in page.content()
        page.keyboard.press("Escape")
        press(page, "2", "4 labels so far")
        press(page, "1", "All pairs have their votes")
        assert tab.is_clean(), tab.errors
    order = ["first", "second", "tie", "second", "first"]
    assert said(space) == [(n, choice, "1 2 t s z" if n == 3 else "") for n, choice in enumerate(order)]
    assert all(label.seconds is not None for label in space.store.labels("q") if label.item != 3)


def test_a_key_held_down_labels_once(browser, space):
    space.queue("q", data=space.pairs(3))
    with listening(space.home) as base:
        page = Watched(browser, base).open("/people/q?person=ann")
        page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', { key: '1', repeat: true, bubbles: true }))")
        page.keyboard.press("z")  # nothing to take back: the button is off
        assert page.url.endswith("person=ann")
        assert said(space) == []
        press(page, "1", "1 label so far")
    assert len(said(space)) == 1


def test_a_pair_is_labelled_without_the_script(browser, space):
    space.queue("q", data=space.pairs(2))
    with listening(space.home) as base:
        page = Watched(browser, base, java_script_enabled=False).open("/people/q?person=ann")
        page.fill("[name=note]", "by hand")
        page.click("button[value=tie]")
        assert page.locator("text=1 label so far").count() == 1
    assert said(space) == [(0, "tie", "by hand")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_pages_do_not_scroll_sideways_and_can_be_read(browser, space, scheme):
    judged = space.judged("judged", {row: (1, 0) for row in range(6)}, "alpha")  # noqa: C420
    space.queue("q", data=space.pairs(6), rubric="Which helps more?\nLook at the facts.", judgements=[judged])
    for number in range(3):
        space.store.label("q", "ann", number, "first")
    with listening(space.home) as base:
        tab = Watched(browser, base, viewport={"width": 400, "height": 800}, color_scheme=scheme)
        for path in ("/people", "/people/q", "/people/q?person=ann", "/people/q?person=ann&item=1"):
            page = tab.open(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 400, path
            assert page.evaluate(CONTRAST) == [], path
        assert tab.is_clean(), tab.errors
