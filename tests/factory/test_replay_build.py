"""Three real models' answers to AlpacaEval's 805 prompts, replayed into one version, read back by three libraries."""

import json
from pathlib import Path

import datasets
import polars as pl
import pyarrow.dataset as pds
import pytest

from factory.cli import main

OUTPUTS = Path(__file__).parents[3] / "shared" / "data" / "alpaca_eval" / "outputs"
MODELS = ("gpt4_1106_preview", "tulu-2-dpo-7b", "alpaca-7b")

pytestmark = pytest.mark.skipif(not OUTPUTS.exists(), reason="shared data absent")


def recorded(model: str) -> dict[str, str]:
    rows = map(json.loads, (OUTPUTS / f"{model}.jsonl").read_text().splitlines())
    return {row["instruction"]: row["output"] for row in rows}


def test_2415_completions_are_read_back_alike_by_datasets_polars_and_pyarrow(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    source = str(OUTPUTS / f"{MODELS[0]}.jsonl")
    assert main(["build", "prompts", "--source", source, "--prompt-column", "instruction", "--out", "prompts"]) == 0
    policies = [f"replay:{OUTPUTS / model}.jsonl?prompt=instruction&completion=output" for model in MODELS]
    flags = [word for policy in policies for word in ("--policy", policy)]
    capsys.readouterr()
    assert main(["build", "completions", "--data", "prompts@v1", *flags, "--out", "answers", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["rows"] == 805 * 3

    folder = tmp_path / "answers"
    by_datasets = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"].to_list()
    by_polars = pl.read_parquet(folder / "data" / "*.parquet").to_dicts()
    by_pyarrow = pds.dataset(folder / "data").to_table().to_pylist()
    assert by_datasets == by_polars == by_pyarrow

    answers = {model: recorded(model) for model in MODELS}
    names = {row["model"] for row in by_pyarrow}
    assert len(names) == 3
    for row in by_pyarrow:
        [message] = row["completion"]
        model = next(model for model in MODELS if model == row["model"] or model in row["model"])
        assert message["content"] == answers[model][row["prompt"][0]["content"]]
    assert main(["datasets", "verify", "answers@v1"]) == 0
