"""Exports have the columns and shapes that the other trainers document."""

from __future__ import annotations

import pytest

from factory.store.export import export
from factory.store.layouts import LAYOUTS
from schemas.arrow import RECORD_KINDS
from schemas.commit import commit
from schemas.datasets import open_version
from schemas.errors import DataError
from schemas.folder import Folder
from schemas.records import Message, PreferencePair, Prompt
from tests.factory.store.made import draft
from tests.schemas.rows import MAKERS, prompt

QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2 + 2? é 😀"}]
ANSWER = [{"role": "assistant", "content": "<think>\nTwo and two make four.\n</think>\n\n4"}]
WRONG = [{"role": "assistant", "content": "5"}]
TRUTH = {"ground_truth": "4", "verifier": "gsm8k"}


def exported(tmp_path, kind: str, layout: str, **changes) -> list[dict]:
    import datasets

    datasets.disable_progress_bars()
    record = RECORD_KINDS[kind]
    folder = Folder.open(tmp_path / "ds")
    commit(folder, draft(folder, "b", [MAKERS[record](number, **changes) for number in range(2)]))
    path = export(open_version("ds", tmp_path), layout, tmp_path / "out")
    assert path == tmp_path / "out/train.parquet"
    loaded = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "hf"))
    return loaded.to_list()


# TRL, docs "Dataset formats and types": the conversational columns of each type
TRL = [
    ("prompts", {"prompt": QUESTION, **TRUTH}),
    ("pass-rate", {"prompt": QUESTION, **TRUTH}),
    ("completions", {"prompt": QUESTION, "completion": ANSWER}),
    ("traces", {"messages": QUESTION + ANSWER}),
    ("preference", {"prompt": QUESTION, "chosen": ANSWER, "rejected": WRONG}),
]


@pytest.mark.parametrize(("kind", "expected"), TRL)
def test_trl(tmp_path, kind, expected):
    changes = TRUTH if kind in ("prompts", "pass-rate") else {}
    assert exported(tmp_path, kind, "trl", **changes) == [expected] * 2


def test_trl_prompts_need_no_truth(tmp_path):
    assert exported(tmp_path, "prompts", "trl")[0]["ground_truth"] is None


OPEN_INSTRUCT = [
    ("prompts", {"messages": QUESTION, "ground_truth": "4", "dataset": "gsm8k", "dataset_source": "gsm8k"}),
    ("pass-rate", {"messages": QUESTION, "ground_truth": "4", "dataset": "gsm8k", "dataset_source": "gsm8k"}),
    ("completions", {"messages": QUESTION + ANSWER}),
    ("traces", {"messages": QUESTION + ANSWER}),
    ("preference", {"chosen": QUESTION + ANSWER, "rejected": QUESTION + WRONG}),
]


@pytest.mark.parametrize(("kind", "expected"), OPEN_INSTRUCT)
def test_open_instruct(tmp_path, kind, expected):
    assert exported(tmp_path, kind, "open-instruct", **TRUTH) == [expected] * 2


def test_verl_prompts(tmp_path):
    rows = exported(tmp_path, "prompts", "verl", **TRUTH)
    assert rows == [
        {
            "data_source": "gsm8k",
            "prompt": QUESTION,
            "ability": "gsm8k",
            "reward_model": {"style": "rule", "ground_truth": "4"},
            "extra_info": {"index": number, "split": "train", "prompt_id": f"{number:016x}"},
        }
        for number in range(2)
    ]


@pytest.mark.parametrize("layout", ["open-instruct", "verl"])
def test_a_prompt_that_cannot_be_graded_is_named(tmp_path, layout):
    folder = Folder.open(tmp_path / "ds")
    commit(folder, draft(folder, "b", [prompt(0, **TRUTH), prompt(7, ground_truth="4")]))
    with pytest.raises(DataError, match=r"prompt_id '0000000000000007': no ground_truth or no verifier"):
        export(open_version("ds", tmp_path), layout, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("kind", "layout"), [("labels", "trl"), ("labels", "verl"), ("preference", "verl")])
def test_a_pair_without_columns_says_what_there_is(tmp_path, kind, layout):
    folder = Folder.open(tmp_path / "ds")
    commit(folder, draft(folder, "b", [MAKERS[RECORD_KINDS[kind]](0)]))
    fitting = ", ".join(name for name, kinds in LAYOUTS.items() if kind in kinds) or "none"
    with pytest.raises(DataError, match=f"no columns for '{kind}', only for prompts, .*there are: {fitting}"):
        export(open_version("ds", tmp_path), layout, tmp_path / "out")


def test_an_unknown_layout_says_what_there_is(tmp_path):
    folder = Folder.open(tmp_path / "ds")
    commit(folder, draft(folder, "b", [prompt(0)]))
    with pytest.raises(DataError, match="there are: trl, open-instruct, verl"):
        export(open_version("ds", tmp_path), "axolotl", tmp_path / "out")


def test_an_export_is_not_overwritten(tmp_path):
    exported(tmp_path, "preference", "trl")
    before = (tmp_path / "out/train.parquet").read_bytes()
    with pytest.raises(DataError, match="exists already"):
        export(open_version("ds", tmp_path), "trl", tmp_path / "out")
    assert (tmp_path / "out/train.parquet").read_bytes() == before


def test_empty_reasoning_is_kept_and_missing_reasoning_is_not_made_up(tmp_path):
    rows = exported(
        tmp_path,
        "preference",
        "trl",
        chosen=[Message("assistant", "a", "")],
        rejected=[Message("assistant", "b", None)],
    )
    assert rows[0]["chosen"][0]["content"] == "<think>\n\n</think>\n\na"
    assert rows[0]["rejected"][0]["content"] == "b"


def test_more_rows_than_one_batch_keep_their_order(tmp_path):
    import polars as pl

    folder = Folder.open(tmp_path / "ds")
    commit(folder, draft(folder, "b", [prompt(number, **TRUTH) for number in range(2500)], per_shard=900))
    export(open_version("ds", tmp_path), "verl", tmp_path / "out")
    found = pl.read_parquet(tmp_path / "out/train.parquet")["extra_info"].struct.unnest()
    assert found["index"].to_list() == list(range(2500))
    assert found["prompt_id"].to_list() == [f"{number:016x}" for number in range(2500)]


def test_the_records_that_are_exported_are_known():
    assert {PreferencePair, Prompt} < set(RECORD_KINDS.values())
    assert all(kinds.keys() < RECORD_KINDS.keys() for kinds in LAYOUTS.values())
