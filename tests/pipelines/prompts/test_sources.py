"""From files, datasets of the hub and generated tasks to prompts: what is read, kept and named."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from judges.registry import make_verifier
from pipelines.prompts import PromptsRecipe, build_prompts, source_inputs
from schemas.canonical import prompt_id
from schemas.errors import DataError
from schemas.records import Message, Prompt, Rejection

SHARED = Path(__file__).parents[3].parent / "shared" / "data"
needs_shared_data = pytest.mark.skipif(not SHARED.is_dir(), reason="shared data absent")

ROWS = [
    {"id": "a", "question": "What is 1+1?", "answer": "#### 2", "licence": "MIT"},
    {"id": "b", "question": "What is 2+2?", "answer": "#### 4", "licence": None},
]


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def prompts_of(source, **settings):
    return list(build_prompts(PromptsRecipe(source=source, **settings)))


def test_a_jsonl_row_becomes_a_prompt(tmp_path):
    source = write_jsonl(tmp_path / "q.jsonl", ROWS)
    first, second = prompts_of(
        source,
        prompt_column="question",
        ground_truth_column="answer",
        id_column="id",
        verifier="gsm8k",
        licence="CC0-1.0",
        licence_column="licence",
    )
    messages = [Message("user", "What is 1+1?")]
    assert first == Prompt(
        prompt_id=prompt_id(messages),
        prompt=messages,
        ground_truth="#### 2",
        verifier="gsm8k",
        source="q.jsonl",
        source_id="a",
        licence="MIT",
    )
    assert (second.source_id, second.licence) == ("b", "CC0-1.0")


def test_without_an_id_column_the_row_number_is_the_id(tmp_path):
    source = write_jsonl(tmp_path / "q.jsonl", ROWS)
    assert [p.source_id for p in prompts_of(source, prompt_column="question")] == ["1", "2"]


def test_messages_and_a_system_prompt(tmp_path):
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "reasoning": "greet"},
        {"role": "user", "content": "Bye", "name": None},
    ]
    source = write_jsonl(tmp_path / "q.jsonl", [{"prompt": talk}])
    [as_is] = prompts_of(source)
    assert as_is.prompt == [
        Message("system", "Be brief."),
        Message("user", "Hi"),
        Message("assistant", "Hello", "greet"),
        Message("user", "Bye"),
    ]
    [under] = prompts_of(source, system_prompt="Be long.")
    assert under.prompt == [Message("system", "Be long."), *as_is.prompt[1:]]
    assert under.prompt_id != as_is.prompt_id


def test_ground_truth_and_metadata_of_any_type(tmp_path):
    rows = [
        {"prompt": f"q{n}", "truth": truth, "tags": [n, "é"]} for n, truth in enumerate([7, 2.5, True, {"b": 1}, None])
    ]
    found = prompts_of(
        write_jsonl(tmp_path / "q.jsonl", rows), ground_truth_column="truth", metadata_columns=("tags", "truth")
    )
    assert [p.ground_truth for p in found] == ["7", "2.5", "true", '{"b":1}', None]
    assert found[1].metadata == '{"tags":[1,"é"],"truth":2.5}'


def test_marks_line_ends_and_blank_lines(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"prompt": "a"}\r\n\r\n  \n{"prompt": "b\\u0000c"}\r\n{"prompt": "\\ud83d\\ude00"}\n\n\n'
    )
    found = prompts_of(str(path))
    assert [p.prompt[0].content for p in found] == ["a", "b\0c", "😀"]


def test_parquet_gives_what_jsonl_gives(tmp_path):
    talk = [{"role": "user", "content": "Hi"}]
    rows = [{"prompt": talk, "n": n, "other": "x" * n} for n in range(600)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "q.parquet", row_group_size=100)
    settings = {"ground_truth_column": "n", "id_column": "n", "metadata_columns": ("other",)}
    from_parquet = prompts_of(str(tmp_path / "q.parquet"), **settings)
    from_jsonl = prompts_of(write_jsonl(tmp_path / "q.jsonl", rows), **settings)
    assert len(from_parquet) == 600
    kinds = [(type(row), row.prompt_id) for row in from_parquet]
    assert kinds[1:] == [(type(row), row.prompt_id) for row in from_jsonl][1:]
    assert from_parquet[0].prompt == from_jsonl[0].prompt
    assert from_parquet[0].source == "q.parquet"


def test_a_dataset_folder_through_the_datasets_library(tmp_path):
    write_jsonl(tmp_path / "train.jsonl", ROWS)
    write_jsonl(tmp_path / "test.jsonl", ROWS[:1])
    train = prompts_of(f"hf:{tmp_path}", prompt_column="question", id_column="id")
    assert [p.source_id for p in train] == ["a", "b"]
    assert train[0].source == tmp_path.name
    for form in (f"hf:{tmp_path}::test", f"hf:{tmp_path}:default:test"):
        assert [p.source_id for p in prompts_of(form, prompt_column="question", id_column="id")] == ["a"]


def test_the_limit_is_on_rows_read(tmp_path):
    rows = [{"prompt": "same"}, {"prompt": "same"}, {"prompt": "other"}]
    source = write_jsonl(tmp_path / "q.jsonl", rows)
    assert [type(row) for row in prompts_of(source, limit=2)] == [Prompt, Rejection]


def test_a_row_after_the_limit_is_not_read(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text('{"prompt": "a"}\nnot json\n')
    assert len(prompts_of(str(path), limit=1)) == 1


def test_generated_tasks_come_with_what_their_verifier_needs():
    settings = {"reasoning_gym": {"size": 5, "seed": 3, "config": {"min_terms": 2, "max_terms": 3}}}
    found = prompts_of("reasoning-gym:chain_sum", system_prompt="Use <answer> tags.", licence="Apache-2.0", **settings)
    assert [p.source_id for p in found] == ["0", "1", "2", "3", "4"]
    verifier = make_verifier(found[0].verifier)
    for prompt in found:
        expression = prompt.prompt[1].content.split(":")[-1].strip().removesuffix("=")
        value = sum(int(term) for term in expression.replace("- ", "-").replace("+ ", "").split())
        assert verifier.verify(prompt, f"<answer>{value}</answer>").verdict == "correct"
        assert verifier.verify(prompt, f"<answer>{value + 1}</answer>").verdict == "wrong"
    assert found == prompts_of(
        "reasoning-gym:chain_sum", system_prompt="Use <answer> tags.", licence="Apache-2.0", **settings
    )


def test_generated_tasks_with_another_verifier():
    [prompt] = prompts_of("reasoning-gym:chain_sum", verifier="gsm8k", reasoning_gym={"size": 1})
    assert make_verifier("gsm8k").verify(prompt, f"#### {prompt.ground_truth}").verdict == "correct"


def test_a_task_whose_own_answer_does_not_count_is_dropped():
    """Some integrals of this family have no answer in closed form."""
    found = prompts_of("reasoning-gym:intermediate_integration", reasoning_gym={"size": 12, "seed": 11})
    dropped = [row for row in found if isinstance(row, Rejection)]
    assert [row.kind for row in dropped] == ["own_answer_refused"]
    assert "Integral(" in dropped[0].row


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"source": "reasoning-gym:chain_summ"}, "did you mean 'chain_sum'"),
        ({"reasoning_gym": {"config": {"min_termz": 2}}}, "min_termz"),
        ({"reasoning_gym": {"config": {"min_terms": 5, "max_terms": 2}}}, "correct reasoning_gym.config"),
    ],
)
def test_wrong_task_settings(settings, problem):
    with pytest.raises(DataError, match=problem):
        prompts_of(**{"source": "reasoning-gym:chain_sum", **settings})


def test_a_recipe_is_checked():
    with pytest.raises(ValidationError, match="did you mean 'gsm8k'"):
        PromptsRecipe(source="q.jsonl", verifier="gsm8")
    with pytest.raises(ValidationError, match="Extra inputs"):
        PromptsRecipe(source="q.jsonl", promt_column="x")
    with pytest.raises(ValidationError, match="is for a source reasoning-gym:FAMILY"):
        PromptsRecipe(source="q.jsonl", reasoning_gym={"size": 3})


def test_inputs_are_named_by_content(tmp_path):
    source = write_jsonl(tmp_path / "q.jsonl", ROWS)
    [ref] = source_inputs(PromptsRecipe(source=source))
    assert ref.name == "q.jsonl"
    assert ref.sha256 == hashlib.sha256(Path(source).read_bytes()).hexdigest()

    [folder] = source_inputs(PromptsRecipe(source=f"hf:{tmp_path}"))
    write_jsonl(tmp_path / "q.jsonl", ROWS[:1])
    [changed] = source_inputs(PromptsRecipe(source=f"hf:{tmp_path}"))
    assert folder.sha256 != changed.sha256


def test_inputs_of_generated_tasks_follow_their_settings():
    def sha(**table):
        [ref] = source_inputs(PromptsRecipe(source="reasoning-gym:chain_sum", reasoning_gym=table))
        return ref.sha256

    assert sha(seed=1) == sha(seed=1)
    assert len({sha(seed=1), sha(seed=2), sha(seed=1, size=5), sha(seed=1, config={"max_terms": 3})}) == 4


@needs_shared_data
def test_gsm8k_whole():
    source = str(SHARED / "gsm8k" / "train.jsonl")
    settings = {"prompt_column": "question", "ground_truth_column": "answer", "verifier": "gsm8k", "licence": "MIT"}
    found = prompts_of(source, **settings)
    assert len(found) == 7473
    assert all(isinstance(row, Prompt) for row in found)


@needs_shared_data
def test_alpaca_eval_has_805_different_prompts():
    source = str(SHARED / "alpaca_eval" / "outputs" / "alpaca-7b.jsonl")
    found = prompts_of(source, prompt_column="instruction", id_column="prompt_id")
    assert len({row.prompt_id for row in found if isinstance(row, Prompt)}) == 805
