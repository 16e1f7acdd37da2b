"""Preference pairs of what real models answered to AlpacaEval's 805 prompts, as the commands make them.

    python -m bench.recorded_pairs DATA_FOLDER

`DATA_FOLDER`/alpaca_eval holds outputs/MODEL.jsonl, annotations/MODEL.jsonl and leaderboard.csv. Three things are
printed: on-policy pairs of four models under GPT-4's recorded preferences, beside the models' published win rates;
delta pairs of models that are far apart and of such as are near, with what is said of them; and what `--dry-run` told
before each build, beside what the build then asked.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import polars as pl

POLICY, *POOL = ("vicuna-7b-v1.5", "gpt4_1106_preview", "phi-2-sft", "alpaca-7b")
DELTAS = (
    ("Qwen2-72B-Instruct", "Qwen1.5-1.8B-Chat", False),  # nobody judged these two
    ("gpt4_1106_preview", "alpaca-7b", True),
    ("phi-2-sft", "alpaca-7b", True),
)


class Workspace:
    """`data`: of AlpacaEval."""

    def __init__(self, home: Path, data: Path) -> None:
        self.home, self.data = home, data

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "factory.cli", *words]
        env = {**os.environ, "FACTORY_HOME": str(self.home)}
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}")
        return done

    def build(self, recipe: str, *words: str) -> tuple[dict, dict, str]:
        """What was planned, the manifest, and what was said on the way."""
        path = self.home / "recipe.toml"
        path.write_text(recipe)
        command = ("build", "preference", "--recipe", str(path), "--json", *words)
        plan = json.loads(self.run(*command, "--dry-run").stdout)
        done = self.run(*command)
        return plan, json.loads(done.stdout), done.stderr

    def models(self, key: str, *names: str) -> str:
        places = [self.data / "outputs" / f"{name}.jsonl" for name in names]
        return "".join(f'[[{key}]]\nmodel = "replay:{path}?prompt=instruction&completion=output"\n' for path in places)

    def judge(self) -> str:
        files = [str(self.data / "annotations" / f"{name}.jsonl") for name in (POLICY, *POOL)]
        return (
            f'[[judge]]\njudge = "recorded"\n[judge.options]\nfiles = {json.dumps(files)}\nscore = "preference_b"\n'
            'match = {prompt_id = "source_id", model_b = "model"}\n'
        )

    def pairs(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.home / name / "data" / "*.parquet")


def on_policy(space: Workspace) -> None:
    recipe = f'data = "prompts@v1"\n{space.models("policy", POLICY)}{space.models("pool", *POOL)}{space.judge()}'
    plan, manifest, _ = space.build(recipe, "--out", "on-policy")
    pairs = space.pairs("on-policy")
    chosen, rejected = Counter(pairs["model_chosen"]), Counter(pairs["model_rejected"])
    with open(space.data / "leaderboard.csv", encoding="utf-8") as file:
        rates = {row[""]: float(row["win_rate"]) for row in csv.DictReader(file)}
    print(f"\non-policy: {manifest['rows']} pairs of 805 prompts; {books(manifest)}")
    print(f"{'model':<20} {'published win rate':>18} {'chosen':>7} {'rejected':>9}")
    for model in sorted((POLICY, *POOL), key=lambda one: -rates[one]):
        print(f"{model:<20} {rates[model]:>17.1f}% {chosen[model]:>7} {rejected[model]:>9}")
    margin = pairs["score_chosen"] - pairs["score_rejected"]
    print(f"margin: mean {margin.mean():.3f}, median {margin.median():.3f}, least {margin.min():.2g}")
    beside_plan(plan, manifest)


def delta(space: Workspace, strong: str, weak: str, is_judged: bool) -> None:
    policies, judge = space.models("policy", strong, weak), space.judge() if is_judged else ""
    recipe = f'data = "prompts@v1"\nmethod = "delta"\n[delta]\nlength_unit = "words"\n{policies}{judge}'
    plan, manifest, said = space.build(recipe, "--out", f"{strong}-{weak}")
    print(f"\n{strong} over {weak}: {manifest['rows']} pairs; {books(manifest)}")
    for line in said.splitlines():
        if line.startswith("WARNING") or "difference" in line or "measured" in line:
            print(f"  {line}")
    beside_plan(plan, manifest)


def books(manifest: dict) -> str:
    lost = [
        f"{count} {kind} at {stage['stage']}"
        for stage in manifest["counters"]
        for kind, count in {**stage["dropped"], **stage["failed"]}.items()
    ]
    return ", ".join(lost) or "nothing dropped"


def beside_plan(plan: dict, manifest: dict) -> None:
    drawn = next(stage["rows_out"] for stage in manifest["counters"] if stage["stage"] == "sample")
    print(f"--dry-run: {plan['requests']:,} requests for {plan['prompts']:,} prompts; the build drew {drawn:,} answers")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-pairs-") as home:
        space = Workspace(Path(home), Path(sys.argv[1]).absolute() / "alpaca_eval")
        source = str(space.data / "outputs" / "alpaca-7b.jsonl")
        columns = ("--prompt-column", "instruction", "--id-column", "prompt_id")
        kept = ("--set", 'metadata_columns=["prompt_id"]', "--out", "prompts")
        space.run("build", "prompts", "--source", source, *columns, *kept)
        on_policy(space)
        for strong, weak, is_judged in DELTAS:
            delta(space, strong, weak, is_judged)


if __name__ == "__main__":
    main()
