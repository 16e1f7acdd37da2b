"""The pages and the API on which people label, as a browser without a script and a program ask for them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from factory.people.make import NewQueue, route
from schemas.records import Message
from tests.factory.people.space import a_pair, space
from tests.factory.people.test_route import two_judges
from tests.factory.service.space import OURS, asked

__all__ = ["space"]
NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e{{ 7*7 }}\x1b[31m"


class Forms(HTMLParser):
    """The forms of a page: where each goes, its hidden fields, and what its buttons send."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        if tag == "form":
            self.forms.append({"action": found["action"], "method": found["method"], "fields": {}, "buttons": []})
        elif tag == "input" and found.get("type") == "hidden":
            self.forms[-1]["fields"][found["name"]] = found["value"]
        elif tag == "button" and self.forms:
            self.forms[-1]["buttons"].append((found.get("value"), found.get("data-key")))

    def to(self, action):
        return next(form for form in self.forms if form["action"] == action)


async def press(client, form, **fields):
    """Send a form as a browser does; gives where it leads."""
    answer = await client.post(form["action"], data=form["fields"] | fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def opened(client, path):
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text, Forms(answer.text)


def rows_of(space, name="q"):
    return {item.number: item.row_a for item in space.store.items(name)}


async def test_a_person_labels_pairs_without_a_script(space):
    space.queue("q", data=space.pairs(3), rubric="Which is <b>right</b>?")
    async with asked(space.home) as client:
        text, _ = await opened(client, "/people")
        assert 'href="/people/q"' in text
        text, forms = await opened(client, "/people/q")
        assert "Which is &lt;b&gt;right&lt;/b&gt;?" in text
        assert forms.to("/people/q")["method"] == "get"
        text, forms = await opened(client, "/people/q?person=Ann")
        vote = forms.to("/people/q/label")
        assert vote["buttons"] == [("first", "1"), ("tie", "t"), ("second", "2"), ("skip", "s")]
        assert (vote["fields"]["person"], vote["fields"]["item"]) == ("ann", "0")
        then = await press(client, vote, choice="first", note="  clearer\r\nby far  ")
        assert then == "/people/q?person=ann"
        text, forms = await opened(client, then)
        assert "1 label so far" in text
        assert forms.to("/people/q/label")["fields"]["item"] == "1"
        then = await press(client, forms.to("/people/q/label"), choice="skip")
        back = await press(client, forms.to("/people/q/undo"))
        assert back == "/people/q?person=ann&item=1"
        text, forms = await opened(client, back)
        await press(client, forms.to("/people/q/label"), choice="second")
        text, forms = await opened(client, "/people/q?person=ann")
        await press(client, forms.to("/people/q/label"), choice="tie")
        text, _ = await opened(client, "/people/q?person=ann")
        assert "All pairs have their votes" in text
        found = [(label.item, label.choice, label.note) for label in space.store.labels("q")]
        assert found == [(0, "first", "clearer\nby far"), (1, "second", ""), (2, "tie", "")]


async def test_a_label_is_of_the_answer_that_stood_first(space):
    space.queue("q", data=space.pairs(8))
    async with asked(space.home) as client:
        for _ in range(8):
            text, forms = await opened(client, "/people/q?person=ann")
            good_is_first = text.index("good answer") < text.index("bad answer")
            await press(client, forms.to("/people/q/label"), choice="first" if good_is_first else "second")
    labels = space.store.labels("q")
    assert {label.word for label in labels} == {"a"}  # the chosen one, wherever it stood
    assert {label.choice for label in labels} == {"first", "second"}


async def test_changing_ones_mind_shows_what_was_said(space):
    space.queue("q", data=space.pairs(2))
    space.store.label("q", "ann", 1, "tie", note="hm")
    async with asked(space.home) as client:
        text, forms = await opened(client, "/people/q?person=ann&item=1")
        assert "You have labelled this pair: tie" in text
        assert ">hm</textarea>" in text
        await press(client, forms.to("/people/q/label"), choice="first")
    assert [(label.item, label.choice) for label in space.store.labels("q")] == [(1, "first")]


async def test_the_labelling_page_and_its_api_are_blind(space):
    data, one, two = two_judges(space)
    route(space.store, NewQueue(name="q", data=data, judgements=[one, two]))
    item = space.store.next("q", "ann").number
    async with asked(space.home) as client:
        page = (await client.get("/people/q?person=ann")).text
        pair = (await client.get(f"/api/v1/people/q/pairs/{item}?person=ann")).text
        label = {"person": "ann", "item": item, "choice": "first"}
        said = (await client.post("/api/v1/people/q/labels", json=label, headers=OURS)).text
        undone = (await client.post("/api/v1/people/q/undo", json={"person": "ann"}, headers=OURS)).text
    for text in (page, pair, said, undone):
        for told in (
            "model-of",
            "chosen",
            "rejected",
            "shown_first",
            "secret thoughts",
            "alpha",
            "disagree",
            "missing",
        ):
            assert told not in text
        assert not re.search(r"\b[cr][0-6]\b", text)


async def test_hostile_text_stays_text(space):
    pair = a_pair(0, chosen=[Message(NASTY, NASTY)], rejected=[Message("assistant", "x" * 50_000)])
    data = space.version("pairs", [replace(pair, prompt=[Message("user", NASTY)])])
    space.queue("q", data=data, rubric=NASTY, votes=2)
    space.store.label("q", "ann", 0, "first", note=f"</textarea>{NASTY}")
    async with asked(space.home) as client:
        for path in ("/people", "/people/q", "/people/q?person=ann&item=0", "/people/q?person=bob"):
            text, forms = await opened(client, path)
            assert forms.tags.count("script") == 1  # our own
            assert "img" not in forms.tags
            assert "\u202e" not in text
            assert "\x1b" not in text
            assert ">49<" not in text
        assert "&lt;script&gt;alert(1)" in text
        assert "10,000 more characters" in text
        whole = (await client.get("/api/v1/people/q/pairs/0?person=bob")).json()
        assert {len(whole[side][0]["content"]) for side in ("first", "second")} == {50_000, len(NASTY)}


async def test_a_queue_shows_reasons_people_and_agreement(space):
    data, one, two = two_judges(space)
    route(space.store, NewQueue(name="q", data=data, judgements=[one, two]))
    space.prefer("q", "ann", {1: "a", 4: "a", 5: "b", 6: "skip"})
    async with asked(space.home) as client:
        text, _ = await opened(client, "/people/q")
        plain = " ".join(re.sub(r"<[^>]*>", " ", text).split())
        assert "the judges prefer different answers 1 14.3% 1" in plain
        assert "the judges agree 3 42.9% the judges decide" in plain
        assert "ann and alpha 3 0, 1 0.500" in plain  # a and a, a and tie, b and a
        assert "not a sample of all" in plain
        found = (await client.get("/api/v1/people/q")).json()
        assert found["agreement"][0]["alike"]["value"] == 0.5
        assert (found["line"]["asked"], found["line"]["done"], found["line"]["labels"]) == (4, 3, 4)
        space.store.undo("q", "ann")
        assert (await client.get("/api/v1/people/q")).json()["line"]["labels"] == 3
        assert [line["queue"]["name"] for line in (await client.get("/api/v1/people")).json()] == ["q"]


async def test_the_api_gives_takes_and_refuses(space):
    space.queue("q", data=space.pairs(2))
    async with asked(space.home) as client:
        found = (await client.get("/api/v1/people/q/next?person=ann")).json()
        assert (found["pair"]["item"], found["mine"], found["queue"]["asked"]) == (0, 0, 2)
        label = {"person": "ann", "item": 0, "choice": "second", "note": "n", "seconds": 1.5}
        said = (await client.post("/api/v1/people/q/labels", json=label, headers=OURS)).json()
        assert {name: said[name] for name in label} == label
        undone = (await client.post("/api/v1/people/q/undo", json={"person": "ann"}, headers=OURS)).json()
        assert undone["item"] == 0
        undone = await client.post("/api/v1/people/q/undo", json={"person": "ann"}, headers=OURS)
        assert (undone.status_code, undone.json()) == (200, None)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("q/labels", {"person": "ann", "item": 0, "choice": "third"}, 422),
        ("q/labels", {"person": "../x", "item": 0, "choice": "first"}, 422),
        ("q/labels", {"person": "ann", "item": True, "choice": "first"}, 422),
        ("q/labels", {"person": "ann", "item": -1, "choice": "first"}, 422),
        ("q/labels", {"person": "ann", "item": 0, "choice": "first", "more": 1}, 422),
        ("q/labels", {"person": "ann", "item": 0, "choice": "first", "note": "x" * 2001}, 422),
        ("q/labels", {"person": "ann", "item": 99, "choice": "first"}, 404),
        ("x/labels", {"person": "ann", "item": 0, "choice": "first"}, 404),
        ("q/undo", {"person": "A b"}, 422),
        ("Q%20x/undo", {"person": "ann"}, 422),
    ],
)
async def test_wrong_labels_are_refused(space, path, body, status):
    space.queue("q", data=space.pairs(2))
    async with asked(space.home) as client:
        answer = await client.post(f"/api/v1/people/{path}", json=body, headers=OURS)
        assert answer.status_code == status, answer.text
    assert space.store.labels("q") == []


async def test_a_pair_that_judges_decided_is_not_asked_about(space):
    data, one, two = two_judges(space)
    route(space.store, NewQueue(name="q", data=data, judgements=[one, two]))
    decided = next(item.number for item in space.store.items("q") if item.decided)
    async with asked(space.home) as client:
        body = {"person": "ann", "item": decided, "choice": "first"}
        answer = await client.post("/api/v1/people/q/labels", json=body, headers=OURS)
        assert answer.status_code == 409
        assert (await client.get(f"/api/v1/people/q/pairs/{decided}?person=ann")).status_code == 409
        assert (await client.get(f"/people/q?person=ann&item={decided}")).status_code == 409


async def test_forms_and_calls_of_strangers_are_refused(space):
    space.queue("q", data=space.pairs(2))
    body = {"person": "ann", "item": 0, "choice": "first"}
    async with asked(space.home) as client:
        answers = [
            await client.post("/people/q/label", data=body),  # without the form's token
            await client.post("/people/q/label", data=body | {"form_token": "x"}),
            await client.post("/api/v1/people/q/labels", json=body),  # without the header
            await client.post("/people/q/label", data=body, headers=OURS | {"origin": "http://evil.example"}),
            await client.post("/people/q/undo", data={"person": "ann"}, headers={"sec-fetch-site": "cross-site"}),
        ]
        assert [answer.status_code for answer in answers] == [403] * 5
        _, forms = await opened(client, "/people/q?person=ann")
        form = forms.to("/people/q/label")
        for fields in ({"item": "x"}, {"item": "9" * 30}, {"choice": "third"}, {"person": "../x"}, {}):
            answer = await client.post(form["action"], data=form["fields"] | {"choice": "nothing"} | fields)
            assert answer.status_code == 400, fields
        assert (await client.get("/people/q?person=" + "x" * 90)).status_code == 400
        assert (await client.get("/people/nothing")).status_code == 404
    assert space.store.labels("q") == []


async def test_a_service_that_only_shows_a_dataset_has_no_queues(space):
    space.queue("q", data=space.pairs(2))
    async with asked(space.home, only="pairs") as client:
        assert (await client.get("/people")).status_code == 404
        assert (await client.get("/api/v1/people/q/next?person=ann")).status_code == 404


async def test_without_queues_the_page_says_how_to_make_one(space):
    async with asked(space.home) as client:
        text, _ = await opened(client, "/people")
        assert "factory people route" in text
