"""Pages of rows: filters against what polars finds, searches that go on, and rows of shards and row groups."""

import json
import random

import polars as pl
import pytest

from factory.looking.rows import (
    Query,
    allowed,
    next_row,
    number_of,
    page,
    parse_query,
    row_before,
    write_query,
)
from factory.looking.table import open_table, read_row, read_rows
from schemas import shards
from schemas.datasets import open_version
from schemas.errors import DataError, NotFoundError
from schemas.records import Message
from tests.factory.looking.workspace import library, version
from tests.schemas.rows import completion, judgement, pair, pass_rate, prompt, rejection

ROWS = 3000
WORDS = ("Straße", "ÉCOLE", "alpha", "beta", "x" * 50, "<script>", "100%", "a.b*c", "")


def some_rows(count=ROWS, seed=0):
    chance = random.Random(seed)
    return [
        completion(
            number,
            completion=[
                Message("assistant", f"{chance.choice(WORDS)} {number % 7}", chance.choice([None, "thinking"]))
            ],
            ground_truth=chance.choice([None, "", "7", "8"]),
            temperature=chance.choice([None, 0.0, 0.5, 1.0]),
            n_completion_tokens=chance.randrange(50),
            seed=chance.choice([None, 2**62 + number]),
            metadata=chance.choice(
                [None, "no json", "[]", json.dumps({"family": f"f{number % 3}", "level": number % 5})]
            ),
        )
        for number in range(count)
    ]


def an_answer(chance, number):
    return Message("assistant", f"{chance.choice(WORDS)} {number % 7}", chance.choice([None, "thinking"]))


def a_place(number):
    return json.dumps({"family": f"f{number % 3}", "level": number % 5})


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """3,000 rows in shards of 700 rows, in row groups of a few hundred."""
    home = tmp_path_factory.mktemp("rows")
    groups, shards.ROW_GROUP_BYTES = shards.ROW_GROUP_BYTES, 64 * 1024
    version(home, "answers", some_rows(), per_shard=700)
    shards.ROW_GROUP_BYTES = groups
    return home


@pytest.fixture
def shelf(home, tmp_path):
    return library(home, kept=tmp_path / "kept")


@pytest.fixture(scope="module")
def frame(home):
    found = open_version("answers", home)
    return pl.concat(pl.read_parquet(place) for place in found.shard_locations()).with_row_index("number")


def numbers(shelf, *wheres, **more):
    """All rows that a query finds, page by page."""
    pairs = [("where", where) for where in wheres] + [(name, str(value)) for name, value in more.items()]
    found = []
    while True:
        shown = page(shelf, "answers", parse_query([*pairs, ("offset", str(len(found))), ("limit", "100")]))
        found += [line.number for line in shown.rows]
        if not shown.rows:
            assert shown.is_done
            assert shown.found == len(found)
            return found


def test_there_are_several_shards_and_row_groups(shelf):
    table = open_table(shelf, "answers")
    assert len(table.shards) == 5
    read_row(shelf, table, 0)
    read_row(shelf, table, 699)
    assert len(list((shelf.kept.folder / "groups").iterdir())) == 2


def test_a_row_is_the_row_of_that_number(shelf, home):
    records = list(open_version("answers", home).records())
    table = open_table(shelf, "answers")
    for number in (0, 1, 255, 256, 699, 700, 701, 1399, 1400, 2999):
        assert read_row(shelf, table, number) == records[number]
    wanted = [5, 6, 7, 200, 700, 2999]
    got = [row for batch in read_rows(shelf, table, wanted, ["completion_id"]) for row in batch.to_pylist()]
    assert [row["completion_id"] for row in got] == [f"{number:016x}" for number in wanted]
    for number in (-1, 3000):
        with pytest.raises(NotFoundError, match="3,000"):
            read_row(shelf, table, number)


def text(frame):
    """All turns of a row as one text."""
    turn = pl.element().struct
    parts = (turn.field("content") + pl.lit("\n") + turn.field("reasoning").fill_null("")).alias("t")
    return frame["completion"].list.eval(parts).list.join("\n")


CASES = {
    "n_completion_tokens:below:10": pl.col("n_completion_tokens") < 10,
    "n_completion_tokens:above:10.5": pl.col("n_completion_tokens") > 10.5,
    "n_completion_tokens:from:48": pl.col("n_completion_tokens") >= 48,
    "n_completion_tokens:upto:0": pl.col("n_completion_tokens") <= 0,
    "n_completion_tokens:is:7": pl.col("n_completion_tokens") == 7,
    "n_completion_tokens:is:7.5": pl.lit(False),
    "n_completion_tokens:below:99999999999999999999": pl.lit(True),
    "temperature:is:0.5": pl.col("temperature") == 0.5,
    "temperature:not:0.5": (pl.col("temperature") != 0.5).fill_null(True),
    "temperature:missing": pl.col("temperature").is_null(),
    "temperature:there": pl.col("temperature").is_not_null(),
    "temperature:upto:0": pl.col("temperature") <= 0,
    f"seed:is:{2**62 + 11}": pl.col("seed") == 2**62 + 11,
    "ground_truth:is:7": pl.col("ground_truth") == "7",
    "ground_truth:is:": pl.col("ground_truth") == "",
    "ground_truth:not:7": (pl.col("ground_truth") != "7").fill_null(True),
    "ground_truth:longer:0": pl.col("ground_truth").str.len_chars() > 0,
    "ground_truth:shorter:1": pl.col("ground_truth").str.len_chars() < 1,
    "completion_id:contains:00B": pl.col("completion_id").str.contains("00b"),
    "token_ids:longer:1": pl.col("token_ids").list.len() > 1,
    "prompt_token_ids:missing": pl.col("prompt_token_ids").is_null(),
}


@pytest.mark.parametrize("where", CASES)
def test_filters_find_what_polars_finds(shelf, frame, where):
    assert numbers(shelf, where) == frame.filter(CASES[where])["number"].to_list()


def test_filters_are_and_and_a_search_looks_into_all_turns_in_any_case(shelf, frame):
    found = frame.with_columns(text(frame).alias("all"))
    both = found.filter((pl.col("n_completion_tokens") < 25) & (pl.col("temperature") == 1.0))
    assert numbers(shelf, "n_completion_tokens:below:25", "temperature:is:1") == both["number"].to_list()
    for wanted, held in (
        ("ALPHA", "alpha"),
        ("strasse", "strasse"),
        ("école", "ÉCOLE"),
        ("a.b*", "a.b*"),
        ("100%", "100%"),
    ):
        rows = found.filter(pl.col("all").str.contains(held, literal=True))["number"].to_list()
        assert numbers(shelf, q=wanted) == rows
        assert numbers(shelf, f"completion:contains:{wanted}") == rows
    thinking = found.filter(pl.col("all").str.contains("thinking"))["number"].to_list()
    assert numbers(shelf, q="Thinking") == thinking
    assert 0 < len(thinking) < ROWS


def test_lengths_of_messages_count_all_turns(shelf, frame):
    turn = pl.element().struct
    lengths = frame["completion"].list.eval(
        turn.field("content").str.len_chars() + turn.field("reasoning").str.len_chars().fill_null(0)
    )
    longer = [number for number, sizes in enumerate(lengths) if sum(sizes) > 20]
    assert numbers(shelf, "completion:longer:20") == longer
    assert sorted(longer + numbers(shelf, "completion:shorter:21")) == list(range(ROWS))


def test_places_in_the_metadata(shelf, home):
    told = []
    for row in open_version("answers", home).records():
        try:
            fields = json.loads(row.metadata or "{}")
        except json.JSONDecodeError:
            fields = {}
        told.append(fields if isinstance(fields, dict) else {})
    for where, holds in {
        "metadata.family:is:f1": lambda fields: fields.get("family") == "f1",
        "metadata.family:not:f1": lambda fields: fields.get("family") != "f1",
        "metadata.family:contains:F": lambda fields: "family" in fields,
        "metadata.level:from:3": lambda fields: fields.get("level", -1) >= 3,
        "metadata.level:is:2.0": lambda fields: fields.get("level") == 2,
        "metadata.level:missing": lambda fields: "level" not in fields,
        "metadata.level.deeper:there": lambda fields: False,
        "metadata.level.deeper:missing": lambda fields: True,
        "metadata.:missing": lambda fields: True,
    }.items():
        assert numbers(shelf, where) == [number for number, fields in enumerate(told) if holds(fields)], where


@pytest.mark.parametrize("sort", ["n_completion_tokens", "-n_completion_tokens", "temperature", "-temperature"])
def test_sorted_rows_are_stable_and_nulls_come_last(shelf, frame, sort):
    column = sort.removeprefix("-")
    is_down = sort.startswith("-")
    expected = frame.sort(column, descending=is_down, nulls_last=True, maintain_order=True)["number"].to_list()
    assert numbers(shelf, sort=sort) == expected
    some = frame.filter(pl.col("ground_truth") == "7").sort(
        column, descending=is_down, nulls_last=True, maintain_order=True
    )
    assert numbers(shelf, "ground_truth:is:7", sort=sort) == some["number"].to_list()


def test_a_search_that_is_out_of_time_goes_on_where_it_was(shelf):
    query = parse_query([("q", "alpha"), ("limit", "100")])
    seen = []
    for _ in range(100):
        shown = page(shelf, "answers", query, seconds=0.0)
        seen.append(shown.searched)
        if shown.is_done or len(shown.rows) == 100:
            break
    assert len(seen) > 1
    assert seen == sorted(set(seen))
    whole = [line.number for line in page(library(shelf.home, kept=shelf.kept.folder), "answers", query).rows]
    assert [line.number for line in shown.rows] == whole[: len(shown.rows)]


def test_a_plain_page_looks_at_no_other_row(shelf):
    shown = page(shelf, "answers", Query(offset=2990, limit=20))
    assert [line.number for line in shown.rows] == list(range(2990, 3000))
    assert (shown.found, shown.searched, shown.of, shown.is_done) == (3000, 3000, 3000, True)
    assert page(shelf, "answers", Query(offset=10**12)).rows == []


def test_the_rows_before_and_after(shelf):
    query = parse_query([("where", "ground_truth:is:7"), ("sort", "-n_completion_tokens")])
    order = numbers(shelf, "ground_truth:is:7", sort="-n_completion_tokens")
    walked = [order[0]]
    while (after := next_row(shelf, "answers", query, walked[-1])) is not None:
        walked.append(after)
    assert walked == order
    assert row_before(shelf, "answers", query, order[5]) == order[4]
    assert row_before(shelf, "answers", query, order[0]) is None
    other = next(number for number in range(ROWS) if number not in set(order))
    assert next_row(shelf, "answers", query, other) is None
    assert next_row(shelf, "answers", Query(), 2999) is None
    assert row_before(shelf, "answers", Query(), 0) is None
    assert (next_row(shelf, "answers", Query(), 7), row_before(shelf, "answers", Query(), 7)) == (8, 6)


def test_a_row_by_its_id(shelf):
    assert number_of(shelf, "answers", f"{2777:016x}") == 2777
    assert number_of(shelf, "answers", "none") is None


def test_a_line_tells_the_row_and_where_the_text_stands(shelf):
    [line] = page(shelf, "answers", parse_query([("where", f"completion_id:is:{9:016x}"), ("q", " 2")])).rows
    assert line.key == f"{9:016x}"
    assert line.asked == "What is 2 + 2? é 😀"
    assert line.snippet.where in ("prompt[1].content", "completion[0].content")
    assert line.snippet.match == " 2"
    assert line.facts["model"] == "tiny"
    shown = page(shelf, "answers", parse_query([("where", "metadata.family:there"), ("limit", "3")]))
    assert [line.facts["metadata.family"] for line in shown.rows] == [f"f{line.number % 3}" for line in shown.rows]


@pytest.mark.parametrize("rows", [prompt(1), judgement(1), pair(1), pass_rate(1)], ids=lambda row: type(row).__name__)
def test_every_kind_has_lines(tmp_path, rows):
    ref = version(tmp_path, "some", [rows], [rejection(3, reason="because", row="{}")])
    shelf = library(tmp_path)
    [line] = page(shelf, ref, Query()).rows
    assert line.key.startswith(f"{1:016x}")
    [gone] = page(shelf, ref, parse_query([("q", "BECAUSE"), ("where", "kind:is:no_correct")]), part="rejections").rows
    assert (gone.answered, gone.snippet.where, gone.facts["stage"]) == ("because", "reason", "judge")
    assert page(shelf, ref, parse_query([("where", "kind:is:other")]), part="rejections").rows == []


REFUSED = {
    "where=nothing:is:1": "no column 'nothing'",
    "where=model": "write COLUMN:OPERATOR:VALUE",
    "where=model:like:x": "contains",
    "where=model:missing:x": "takes no value",
    "where=model:is": "takes a value",
    "where=model:below:3": "has no 'below'",
    "where=completion:is:x": "has no 'is'",
    "where=n_prompt_tokens:below:many": "is no number",
    "where=n_prompt_tokens:below:nan": "is no number",
    "where=n_prompt_tokens:above:1e999": "is no number",
    "where=metadata.x:longer:3": "has no 'longer'",
    "where=metadata" + ".x" * 17 + ":is:3": "17 names deep",
    "sort=model": "must be one of",
    "sort=--seed": "must be one of",
    "offset=-1": "whole number",
    "offset=1e3": "whole number",
    "limit=101": "up to|to 100",
    "limit=²": "whole number",
    "page=3": "unknown",
    "q=" + "x" * 501: "characters",
}


@pytest.mark.parametrize("pair_of", REFUSED)
def test_what_cannot_be_asked_is_refused_by_name(shelf, pair_of):
    name, _, value = pair_of.partition("=")
    with pytest.raises(DataError, match=REFUSED[pair_of]):
        page(shelf, "answers", parse_query([(name, value)]))


def test_a_query_is_written_as_it_is_read():
    pairs = [
        ("where", "ground_truth:is:a:b:c"),
        ("where", "temperature:missing"),
        ("where", "ground_truth:is:"),
        ("q", "é & ü"),
        ("sort", "-seed"),
        ("offset", "40"),
        ("limit", "50"),
    ]
    assert write_query(parse_query(pairs)) == pairs
    assert write_query(Query()) == []
    with pytest.raises(DataError, match="given twice"):
        parse_query([("q", "a"), ("q", "b")])
    with pytest.raises(DataError, match="17 filters"):
        parse_query([("where", f"seed:is:{number}") for number in range(17)])


def test_every_allowed_operator_is_taken(shelf):
    may = allowed(shelf, "answers")
    for column, operators in may.operators.items():
        for operator in operators:
            value = "" if operator in ("missing", "there") else ":1"
            page(shelf, "answers", parse_query([("where", f"{column}:{operator}{value}"), ("limit", "1")]))
    for column in may.sorts:
        page(shelf, "answers", parse_query([("sort", column)]), seconds=0.0)
    assert set(may.operators) == set(open_table(shelf, "answers").record.__struct_fields__)
