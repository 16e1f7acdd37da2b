"""Records to Arrow and back; and what is refused, by row and column."""

from __future__ import annotations

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.arrow import ARROW_SCHEMAS
from schemas.columns import ROW_KEYS, to_batch, to_records
from schemas.errors import CorruptError, DataError
from schemas.records import Completion, Judgement, Message, Prompt
from tests.schemas.rows import MAKERS, completion, judgement, pair, prompt, rows_of, trace

# no test here is about time
calm = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
messages = st.lists(st.builds(Message, role=text, content=text, reasoning=st.none() | text), max_size=4)
int32 = st.integers(-(2**31), 2**31 - 1)
completions = st.builds(
    Completion,
    prompt=messages,
    completion=messages,
    sample_index=int32,
    n_prompt_tokens=int32,
    n_completion_tokens=int32,
    prompt_token_ids=st.none() | st.lists(int32, max_size=4),
    token_ids=st.none() | st.lists(int32, max_size=4),
    logprobs=st.none() | st.lists(st.floats(width=32, allow_nan=False), max_size=4),
    seed=st.none() | st.integers(-(2**63), 2**63 - 1),
    temperature=st.floats(allow_nan=False),
    top_p=st.floats(allow_nan=False),
    ground_truth=st.none() | text,
    **dict.fromkeys(
        [
            "completion_id",
            "prompt_id",
            "finish_reason",
            "model",
            "revision",
            "engine",
            "request_key",
            "source",
            "licence",
        ],
        text,
    ),
)


@calm
@given(st.lists(completions, max_size=8))
def test_any_rows_come_back_as_they_were(rows):
    assert to_records(to_batch(rows, Completion), Completion) == rows


@calm
@given(st.lists(completions, min_size=1, max_size=8), st.data())
def test_a_part_of_a_batch_gives_those_rows(rows, data):
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    batch = to_batch(rows, Completion).slice(start, stop - start)
    assert to_records(batch, Completion) == rows[start:stop]


@calm
@given(st.lists(completions, max_size=8))
def test_the_columns_are_those_of_pyarrow(rows):
    theirs = pa.RecordBatch.from_pylist(msgspec.to_builtins(rows), schema=ARROW_SCHEMAS[Completion])
    ours = to_batch(rows, Completion)
    ours.validate(full=True)
    assert ours.equals(theirs)


@pytest.mark.parametrize("record", ARROW_SCHEMAS, ids=lambda record: record.__name__)
def test_every_record_type_comes_back(record):
    rows = rows_of(record, 5)
    batch = to_batch(rows, record)
    assert batch.schema.equals(ARROW_SCHEMAS[record])
    assert to_records(batch, record) == rows


@pytest.mark.parametrize("record", ARROW_SCHEMAS, ids=lambda record: record.__name__)
def test_a_null_where_none_may_be_names_row_and_column(record):
    for field in ARROW_SCHEMAS[record]:
        rows = rows_of(record, 3)
        bad = replace(rows[1], **{field.name: None})
        if field.nullable:
            to_batch([rows[0], bad, rows[2]], record)
            continue
        with pytest.raises(DataError) as refused:
            to_batch([rows[0], bad, rows[2]], record)
        assert f"column {field.name!r}" in str(refused.value)
        if field.name not in ROW_KEYS[record]:
            key = ROW_KEYS[record][0]
            assert repr(getattr(bad, key)) in str(refused.value)


@pytest.mark.parametrize("record", ARROW_SCHEMAS, ids=lambda record: record.__name__)
def test_a_lone_surrogate_names_row_and_column(record):
    for field in ARROW_SCHEMAS[record]:
        if field.type != pa.string() or field.name in ("verdict", "outcome"):
            continue
        rows = rows_of(record, 3)
        with pytest.raises(DataError, match=f"column '{field.name}'.*lone surrogate"):
            to_batch([*rows, replace(rows[0], **{field.name: "a\ud800b"})], record)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (prompt(7, prompt=[Message("user", "\udfff")]), r"0007'.*column 'prompt'.*lone surrogate"),
        (prompt(7, prompt=[Message("user", None)]), r"0007'.*column 'prompt'.*a message without content"),
        (prompt(7, prompt=[None]), r"0007'.*column 'prompt'"),
        (prompt(7, prompt="hello"), r"0007'.*column 'prompt'"),
        (prompt(7, source=3), r"0007'.*column 'source'"),
        (completion(7, token_ids=[1, None]), r"0007'.*column 'token_ids'"),
        (completion(7, token_ids=[2**31]), r"0007'.*column 'token_ids'"),
        (completion(7, token_ids=[1.5]), r"0007'.*column 'token_ids'"),
        (completion(7, n_prompt_tokens=1.5), r"0007'.*column 'n_prompt_tokens'"),
        (completion(7, seed=2.0), r"0007'.*column 'seed'"),
        (completion(7, logprobs=["x"]), r"0007'.*column 'logprobs'"),
        (completion(7, n_prompt_tokens=2**31), r"0007'.*column 'n_prompt_tokens'"),
        (completion(7, temperature="hot"), r"0007'.*column 'temperature'"),
        (judgement(7, verdict="perhaps"), r"0007'.*column 'verdict'.*abstain, correct, wrong"),
        (judgement(7, verdict=None), r"0007'.*column 'verdict'.*null"),
        (trace(7, seed=2**63), r"0007'.*column 'seed'"),
        (pair(7, chosen=None), r"0007'.*column 'chosen'.*null"),
    ],
)
def test_a_value_that_does_not_fit_names_row_and_column(row, said):
    record = type(row)
    with pytest.raises(DataError, match=said):
        to_batch([*rows_of(record, 3), row, MAKERS[record](9)], record)


def test_one_shard_holds_one_record_type():
    with pytest.raises(DataError, match=r"Judgement, Prompt in a shard of Prompt"):
        to_batch([prompt(1), judgement(1)], Prompt)


def test_a_word_that_the_record_does_not_know_is_not_read():
    batch = to_batch([judgement(1)], Judgement)
    column = batch.schema.get_field_index("verdict")
    with pytest.raises(CorruptError, match="perhaps"):
        to_records(batch.set_column(column, batch.schema.field(column), pa.array(["perhaps"])), Judgement)
