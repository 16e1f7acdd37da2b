"""The router, on judgements made by hand: which pairs people see, and why."""

from __future__ import annotations

from msgspec.structs import replace

from factory.people.make import NewQueue, route
from judges.llm.pairwise import Pairwise
from pipelines.groups import read_groups
from schemas.datasets import open_version
from tests.factory.people.space import a_pair, an_answer, compared, space
from tests.judges.llm.models import judged as asked_of
from tests.judges.llm.test_pairwise import saying

__all__ = ["space"]

# Of each pair the scores of its chosen and its rejected answer.
ONE = {0: (1.0, 0.0), 1: (1.0, 0.0), 2: (0.0, 1.0), 3: (0.5, 0.5), 4: (0.5, 0.5), 5: (0.9, 0.2), 6: (1.0, 0.0)}
TWO = {0: (0.8, 0.1), 1: (0.0, 1.0), 2: (0.2, 0.7), 3: (0.4, 0.4), 4: (1.0, 0.0), 5: (0.3, None)}
EXPECTED = {
    0: ("agree", "a"),
    1: ("disagree", None),
    2: ("agree", "b"),
    3: ("agree", "tie"),
    4: ("tie", None),
    5: ("missing", None),
    6: ("missing", None),
}


def routed(space, name="q"):
    """By row of the data: the reason, and what the judges decided."""
    return {item.row_a: (item.reason, item.decided) for item in space.store.items(name)}


def two_judges(space):
    return space.pairs(7), space.judged("one", ONE, "alpha"), space.judged("two", TWO, "beta")


def test_pairs_go_to_people_by_reason_and_the_judges_word_stands_on_the_others(space):
    data, one, two = two_judges(space)
    words = ("people", "route", "--data", data, "--judgements", one, "--judgements", two, "--queue", "q")
    made = space.done(*words)
    assert routed(space) == EXPECTED
    assert (made["pairs"], made["asked"]) == (7, 4)
    assert made["reasons"] == {"agree": 3, "disagree": 1, "tie": 1, "missing": 2}
    assert [judge["name"] for judge in made["queue"]["judges"]] == ["alpha", "beta"]
    seen = set()
    while (item := space.store.next("q", "ann")) is not None:
        seen.add(item.row_a)
        space.store.label("q", "ann", item.number, "tie")
    assert seen == {1, 4, 5, 6}
    decided = next(item.number for item in space.store.items("q") if item.row_a == 0)
    code, out, _ = space.run("people", "show", "q")
    assert code == 0
    assert "judges prefer different answers" in " ".join(out.split())
    with space.store.transaction() as connection:
        [left] = connection.execute("SELECT count(*) FROM people_label WHERE item = ?", (decided,)).fetchone()
    assert left == 0


def test_a_table_says_how_many_and_why(space):
    data, one, two = two_judges(space)
    code, out, _ = space.run(
        "people", "route", "--data", data, "--queue", "q", "--judgements", one, "--judgements", two
    )
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:3] == ["q:", "7", "pairs"]
    assert ["missing", "2", "28.6%"] in [line[:3] for line in lines]


def test_a_flip_goes_to_people_and_a_split_is_a_tie(space):
    data = space.pairs(4)
    rows = []
    for number, (result, other) in enumerate([("win", "loss"), ("flip", "flip"), ("split", "split"), ("loss", "win")]):
        rows += [compared(f"p{number}", f"c{number}", f"r{number}", result)]
        rows += [compared(f"p{number}", f"r{number}", f"c{number}", other)]
    judge = space.version("one", rows)
    route(space.store, NewQueue(name="q", data=data, judgements=[judge]))
    assert routed(space) == {0: ("agree", "a"), 1: ("flip", None), 2: ("agree", "tie"), 3: ("agree", "b")}
    code, out, _ = space.run("people", "show", "q")
    assert code == 0
    assert "followed the position" in out


async def test_what_pairwise_itself_writes_is_understood(space):
    """On whole groups of three answers: a judge that likes length, but takes what stands first where it is told to."""
    data = space.version("answers", [an_answer(p, n, text=TEXTS[p][n]) for p in range(2) for n in range(3)])
    groups = [placed.group for placed in read_groups(open_version(data, space.home), 0, 6)]
    model = saying(lambda a, b: "A" if "first" in a + b else "A" if len(a) > len(b) else "B")
    judged = space.version("one", [row for group in groups for row in await asked_of(Pairwise(), group, model)])
    route(space.store, NewQueue(name="q", data=data, pairs_per_prompt=3, judgements=[judged]))
    found = {(item.row_a, item.row_b): (item.reason, item.decided) for item in space.store.items("q")}
    assert found == {
        **{(0, 1): ("agree", "b"), (0, 2): ("agree", "b"), (1, 2): ("agree", "b")},
        **{(3, 4): ("agree", "a"), (3, 5): ("flip", None), (4, 5): ("flip", None)},
    }


TEXTS = (("x", "xx", "xxx"), ("xx", "x", "first"))


def test_a_comparison_of_the_two_goes_before_scores_that_rest_on_others(space):
    """a beats b, and b beats c twice: b has the higher score, and lost to a all the same."""
    data = space.version("answers", [an_answer(0, 0), an_answer(0, 1)])
    rows = [compared("p0", "p0-0", "p0-1", "win"), compared("p0", "p0-1", "p0-0", "loss")]
    judge = space.version("one", [replace(rows[0], score=0.4), replace(rows[1], score=0.6, verdict="wrong")])
    route(space.store, NewQueue(name="q", data=data, pairs_per_prompt=1, judgements=[judge]))
    assert routed(space) == {0: ("agree", "a")}


def test_an_answer_with_several_scores_is_unclear_unless_they_are_equal(space):
    data = space.version("pairs", [a_pair(0), a_pair(1)])
    rows = space.judged("one", {0: (1.0, 0.0), 1: (1.0, 0.0)}, "alpha")
    again = space.records(rows)
    again += [replace(again[0], score=0.3, verdict="wrong"), again[2]]
    judge = space.version("more", again)
    route(space.store, NewQueue(name="q", data=data, judgements=[judge]))
    assert routed(space) == {0: ("unclear", None), 1: ("agree", "a")}


def test_an_abstention_is_no_verdict(space):
    data = space.pairs(1)
    found = space.records(space.judged("one", {0: (1.0, 0.0)}, "alpha"))
    judge = space.version("two", [found[0], replace(found[1], score=None, verdict="abstain")])
    route(space.store, NewQueue(name="q", data=data, judgements=[judge]))
    assert routed(space) == {0: ("missing", None)}


def test_all_judges_of_a_version_count_and_two_of_one_name_are_told_apart(space):
    data = space.pairs(2)
    both = space.records(space.judged("a", {0: (1, 0), 1: (1, 0)}, "alpha"))
    both += space.records(space.judged("b", {0: (1, 0), 1: (0, 1)}, "beta"))
    labels = space.version("both", both)
    more = space.judged("more", {0: (1, 0), 1: (1, 0)}, "alpha")
    made = route(space.store, NewQueue(name="q", data=data, judgements=[labels, more]))
    assert routed(space) == {0: ("agree", "a"), 1: ("disagree", None)}
    assert [judge.name for judge in made.queue.judges] == ["alpha in both@v1", "beta", "alpha in more@v1"]


def test_a_share_of_what_judges_agree_on_is_checked(space):
    data, judge = space.pairs(300), space.judged("one", dict.fromkeys(range(300), (1.0, 0.0)), "alpha")
    made = route(space.store, NewQueue(name="q", data=data, judgements=[judge], check=0.2))
    assert made.reasons.keys() == {"agree", "check"}
    assert 35 <= made.reasons["check"] == made.asked <= 85
    again = route(space.store, NewQueue(name="r", data=data, judgements=[judge], check=0.2))
    assert again.reasons == made.reasons
    assert routed(space, "q") == routed(space, "r")


def test_the_order_of_the_answers_in_the_judgements_plays_no_part(space):
    data, one, two = two_judges(space)
    turned = space.version("turned", space.records(one)[::-1])
    route(space.store, NewQueue(name="q", data=data, judgements=[turned, two]))
    assert routed(space) == EXPECTED


def test_what_cannot_be_routed_is_refused(space):
    data, one, _ = two_judges(space)
    other = space.judged("other", {99: (1.0, 0.0)}, "alpha")
    words = ("people", "route", "--data", data, "--queue", "q")
    assert "--judgements" in space.refused(*words)
    assert "holds preference, not labels" in space.refused(*words, "--judgements", data)
    assert "were the same answers judged" in space.refused(*words, "--judgements", other)
    assert "named twice" in space.refused(*words, "--judgements", one, "--judgements", one)
    assert "share of 1.5" in space.refused(*words, "--judgements", one, "--check", 1.5)
    assert space.store.queues() == []
