"""Bad input: what stops the build with one line that says where and what to do, and what costs only the row."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.prompts import PromptsRecipe, build_prompts, source_inputs
from schemas.errors import DataError
from schemas.records import Prompt, Rejection

GOOD = b'{"id": 1, "prompt": "a"}\n'

STOPS = [
    (b"", r"q\.jsonl: there are no rows"),
    (b"\n \n\r\n", r"q\.jsonl: there are no rows"),
    (b'{"promt": "a"}\n', r"q\.jsonl:1: no column 'prompt'; did you mean 'promt'\? columns: 'promt'"),
    (b'{"x": 1}\n', r"q\.jsonl:1: no column 'prompt'; columns: 'x'"),
    (GOOD + b'{"id": 2}\n', r"q\.jsonl:2: no column 'prompt'"),
    (GOOD + b'{"id": 2, "prompt": "a"\n', r"q\.jsonl:2: invalid JSON.*correct or remove the line"),
    (GOOD + b"\n" + b"{'prompt': 'a'}\n", r"q\.jsonl:3: invalid JSON"),
    (GOOD + b'{"prompt": NaN}\n', r"q\.jsonl:2: invalid JSON"),
    (GOOD + b'{"prompt": "\\ud800", "x": NaN}\n', r"q\.jsonl:2: invalid JSON"),
    (GOOD + b'{"prompt": "\\ud800"\n', r"q\.jsonl:2: invalid JSON"),
    (GOOD + b'{"prompt": "a\xff"}\n', r"q\.jsonl:2: invalid UTF-8 at byte 14 \(0xff\); save the file as UTF-8"),
    (GOOD + b'{"prompt": "\xed\xa0\x80"}\n', r"q\.jsonl:2: invalid UTF-8 at byte 13"),
    (GOOD + b"\0\0\0\0", r"q\.jsonl:2: a NUL byte at byte 1; the file is cut or is not text"),
    (GOOD + b"[1]\n", r"q\.jsonl:2: a row must be a JSON object, this is list"),
    (b'[{"prompt": "a"}]\n', r"q\.jsonl:1: a JSON array; .*jq -c"),
    ('{"prompt": "a"}\n'.encode("utf-16"), r"q\.jsonl:1: the file is UTF-16; save it as UTF-8"),
    (GOOD + b'{"prompt": 5}\n', r"q\.jsonl:2: prompt is int; it must be a text or a list of messages"),
    (GOOD + b'{"prompt": ["a"]}\n', r"q\.jsonl:2: prompt\[0\] is no message"),
    (
        GOOD + b'{"prompt": [{"role": "human", "content": "a"}]}\n',
        r"q\.jsonl:2: prompt\[0\] has the role 'human'; known",
    ),
    (GOOD + b'{"prompt": [{"role": "user", "content": null}]}\n', r"prompt\[0\] has a content of NoneType"),
    (GOOD + b'{"prompt": [{"role": "user", "content": "a", "tool_calls": [1]}]}\n', r"prompt\[0\] has tool_calls"),
    (GOOD + b"[" * 200_000 + b"\n", r"q\.jsonl:2: JSON nested too deeply"),
]


def write(tmp_path, data, name="q.jsonl"):
    (tmp_path / name).write_bytes(data)
    return str(tmp_path / name)


def run(source, **settings):
    return list(build_prompts(PromptsRecipe(source=source, **settings)))


@pytest.mark.parametrize(("data", "message"), STOPS)
def test_a_file_that_is_not_what_it_claims_to_be_stops_the_build(tmp_path, data, message):
    with pytest.raises(DataError, match=message) as caught:
        run(write(tmp_path, data))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_duplicate_ids_name_both_lines(tmp_path):
    rows = b'{"id": 7, "prompt": "a"}\n\n{"id": 8, "prompt": "b"}\n{"id": "7", "prompt": "c"}\n'
    with pytest.raises(DataError, match=r"q\.jsonl:4: id '7' is also the id of q\.jsonl:1; ids must differ"):
        run(write(tmp_path, rows), id_column="id")
    assert len(run(write(tmp_path, rows))) == 3


@pytest.mark.parametrize("value", ["null", "true", "[1]", "1.5"])
def test_an_id_is_a_text_or_a_whole_number(tmp_path, value):
    with pytest.raises(DataError, match=r"q\.jsonl:1: id is .*; an id is a text or a whole number"):
        run(write(tmp_path, b'{"id": %s, "prompt": "a"}\n' % value.encode()), id_column="id")


@pytest.mark.parametrize("column", ["ground_truth_column", "licence_column", "id_column"])
def test_every_named_column_must_be_there(tmp_path, column):
    with pytest.raises(DataError, match=r"q\.jsonl:1: no column 'idd'; did you mean 'id'\? columns: 'id', 'prompt'"):
        run(write(tmp_path, GOOD), **{column: "idd"})


@pytest.mark.parametrize("name", ["none.jsonl", "none.parquet"])
def test_a_missing_file(tmp_path, name):
    for read in (run, lambda source: source_inputs(PromptsRecipe(source=source))):
        with pytest.raises(DataError, match=rf"{name}: cannot be read: No such file or directory; check the path"):
            read(str(tmp_path / name))


def test_a_source_of_an_unknown_form(tmp_path):
    with pytest.raises(DataError, match=r"q\.csv: not a source that can be read; give a file that ends in \.jsonl"):
        run(write(tmp_path, b"a,b", "q.csv"))


def test_what_costs_only_the_row(tmp_path):
    rows = [
        b'{"prompt": ""}',
        b'{"prompt": " \\n "}',
        b'{"prompt": null}',
        b'{"prompt": []}',
        b'{"prompt": "half \\ud800 a character"}',
        b'{"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}',
        b'{"prompt": "' + b"x" * 5_000_000 + b'"}',
        b'{"prompt": "kept", "other": "\\udfff"}',
    ]
    *dropped, kept = run(write(tmp_path, b"\n".join(rows)))
    assert [(row.kind, row.reason.partition(":")[0], row.outcome, row.stage) for row in dropped] == [
        (kind, "q.jsonl", "dropped", "source")
        for kind in [*["empty_prompt"] * 4, "lone_surrogate", "ends_with_answer", "too_long"]
    ]
    assert "q.jsonl:7: the prompt has 5000000 bytes, over max_prompt_bytes = 1000000" in dropped[6].reason
    assert dropped[6].row is None  # a reason, not five megabytes
    assert json.loads(dropped[4].row) == {"prompt": "half \ud800 a character"}
    assert dropped[4].row.isascii()
    assert isinstance(kept, Prompt)


def test_the_byte_bound_is_a_setting_and_counts_bytes(tmp_path):
    source = write(tmp_path, '{"prompt": "éé"}\n{"prompt": "abc"}\n'.encode())
    assert [type(row) for row in run(source, max_prompt_bytes=3)] == [Rejection, Prompt]


def test_a_prompt_that_its_verifier_cannot_check_is_dropped_before_answers_are_paid_for(tmp_path):
    answers = [b'"#### 3"', b'"#### many"', b"null"]
    rows = [b'{"prompt": "%s", "answer": %s}\n' % pair for pair in zip([b"a", b"b", b"c"], answers, strict=True)]
    kept, *dropped = run(write(tmp_path, b"".join(rows)), ground_truth_column="answer", verifier="gsm8k")
    assert kept.prompt[0].content == "a"
    assert [row.kind for row in dropped] == ["bad_ground_truth", "no_ground_truth"]
    assert dropped[0].reason.startswith("q.jsonl:2: prompt ")


def test_a_source_without_a_single_prompt_stops_the_build(tmp_path):
    rows = b'{"prompt": ""}\n{"prompt": "a"}\n{"prompt": "b"}\n'
    with pytest.raises(DataError, match=r"none of its rows is a prompt \(no_ground_truth: 2, empty_prompt: 1\)"):
        run(write(tmp_path, rows), verifier="gsm8k")


def test_parquet_that_is_none(tmp_path):
    with pytest.raises(DataError, match=r"q\.parquet: not a Parquet file"):
        run(write(tmp_path, GOOD, "q.parquet"))


def test_parquet_without_the_column_or_rows(tmp_path):
    pq.write_table(pa.table({"promptt": ["a"]}), tmp_path / "q.parquet")
    with pytest.raises(DataError, match=r"q\.parquet: no column 'prompt'; did you mean 'promptt'\?"):
        run(str(tmp_path / "q.parquet"))
    pq.write_table(pa.table({"prompt": pa.array([], pa.string())}), tmp_path / "q.parquet")
    with pytest.raises(DataError, match=r"q\.parquet: there are no rows"):
        run(str(tmp_path / "q.parquet"))


def test_parquet_with_text_that_is_not_utf8(tmp_path):
    data = pa.array([b"fine", b"a\xff"], pa.binary()).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"prompt": data}), tmp_path / "q.parquet")
    with pytest.raises(DataError, match=r"q\.parquet rows 1 to 2: text that is not UTF-8"):
        run(str(tmp_path / "q.parquet"))


def test_a_dataset_that_cannot_be_loaded(tmp_path):
    write(tmp_path, GOOD, "train.jsonl")
    with pytest.raises(DataError, match=r"cannot be loaded: Bad split: valid.*; check the name"):
        run(f"hf:{tmp_path}::valid")
    with pytest.raises(DataError, match="cannot be loaded: BuilderConfig 'main' not found"):
        run(f"hf:{tmp_path}:main")
    with pytest.raises(DataError, match=r"write it as hf:ORG/NAME\[@REVISION\]\[:CONFIG\]\[:SPLIT\]"):
        run("hf:a:b:c:d")
    with pytest.raises(DataError, match="no column 'question'"):
        run(f"hf:{tmp_path}", prompt_column="question")


def test_a_hub_that_cannot_be_reached(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"hf:nobody/nothing: cannot be loaded: .*; check the name, the network"):
        run("hf:nobody/nothing")


def test_a_bad_file_inside_a_dataset_folder(tmp_path):
    write(tmp_path, GOOD + b"{broken\n", "train.jsonl")
    with pytest.raises(DataError, match="cannot be loaded"):
        run(f"hf:{tmp_path}")
