"""kill -9 at seeded points of trainings: the checkpoint and the log are those of a training that nobody disturbed.

python -m tests.faults.trainer_kill --kind sft --kills 20 --seed 0
python -m tests.faults.trainer_kill --kind dpo --kills 20 --seed 0 --processes 2

A training is killed once in each of its phases, and then left alone; the next one has another seed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.harness import say
from tests.trainer.runs.commands import Command, run
from tests.trainer.small import conversations, pairs, small_model, version

ROWS, STEPS, SAVE_EVERY = 192, 12, 4
TABLES = {
    "max_steps": STEPS,
    "batch.rows": 16,
    "batch.micro_tokens": 400,
    "optimizer.lr": 1e-3,
    "model.dropout": 0.1,  # so that the random state counts
    "run.checkpoint_every": SAVE_EVERY,
    "run.eval_every": SAVE_EVERY,
}
# Of a line of the log, from one run to the next.
UNEQUAL = {"time", "seconds", "tokens_per_s", "host_gib", "gpu_gib", "mfu"}


class Training:
    """One command, and where it stands as its files tell."""

    def __init__(self, home: Path, kind: str, number: int, processes: int) -> None:
        self.home, self.processes = home, processes
        self.out = home / f"{kind}{number}"
        self.folder = home / f"{kind}{number}.run"
        data = "traces@v1" if kind == "sft" else "pairs@v1"
        # Another bound on the length makes other prepared rows, so that each training has all its phases.
        tables = TABLES | {"seed": number, "rows.max_length": 1000 + number}
        sets = [word for key, value in tables.items() for word in ("--set", f"{key}={value}")]
        held_out = f"held-out-{data}"
        self.words = (kind, "--data", data, "--eval", held_out, "--model", "base", "--out", self.out.name, *sets)

    def start(self) -> Command:
        return Command(self.home, *self.words, processes=self.processes)

    def log(self) -> list[dict[str, Any]]:
        file = self.folder / "metrics.jsonl"
        lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
        return [json.loads(line) for line in lines]

    def n_lines(self) -> int:
        file = self.folder / "metrics.jsonl"
        return file.read_bytes().count(b"\n") if file.exists() else 0

    def any(self, pattern: str) -> bool:
        return any(True for _ in self.home.glob(pattern))

    def weights(self) -> str:
        return hashlib.sha256((self.out / "model.safetensors").read_bytes()).hexdigest()

    def measured(self) -> list[dict[str, Any]]:
        """The log without what the clock says."""
        return [{key: value for key, value in line.items() if key not in UNEQUAL} for line in self.log()]


Moment = Callable[[Training, random.Random, int], Callable[[], bool]]


def _preparing(training: Training, draw: random.Random, lines: int) -> Callable[[], bool]:
    return lambda: training.any(".trainer/prepared/*/*.tmp-*")


def _referring(training: Training, draw: random.Random, lines: int) -> Callable[[], bool]:
    """The reference's model is loaded and at work, its file is not there: after the run's rows are all prepared."""
    known = {path.parent for path in training.home.glob(".trainer/prepared/*/*.arrow")}
    after = draw.uniform(0.0, 1.0)
    return _later(lambda: any(p.parent not in known for p in training.home.glob(".trainer/prepared/*/*.arrow")), after)


def _accumulating(training: Training, draw: random.Random, lines: int) -> Callable[[], bool]:
    wanted = lines + draw.randrange(2, SAVE_EVERY)
    return _later(lambda: training.n_lines() >= wanted, draw.uniform(0.005, 0.05))


def _between_steps(training: Training, draw: random.Random, lines: int) -> Callable[[], bool]:
    wanted = lines + draw.randrange(2, SAVE_EVERY)
    return lambda: training.n_lines() >= wanted


def _saving(training: Training, draw: random.Random, lines: int) -> Callable[[], bool]:
    return _later(lambda: training.any(f"{training.folder.name}/checkpoints/.step-*"), draw.uniform(0.0, 0.02))


def _saved(training: Training, draw: random.Random, lines: int) -> Callable[[], bool]:
    """Its marker is written; the folder may or may not have its name."""
    return lambda: training.any(f"{training.folder.name}/checkpoints/.step-*.tmp/COMPLETE")


def _exporting(training: Training, draw: random.Random, lines: int) -> Callable[[], bool]:
    return _later(lambda: training.any(f".{training.out.name}.tmp*"), draw.uniform(0.0, 0.01))


PHASES: dict[str, Moment] = {
    "mid-prepare": _preparing,
    "mid-reference": _referring,
    "mid-accumulation": _accumulating,
    "mid-save": _saving,
    "between steps": _between_steps,
    "at the marker": _saved,
    "mid-export": _exporting,
}


def _later(moment: Callable[[], bool], seconds: float) -> Callable[[], bool]:
    """So long after it came."""
    came: list[float] = []

    def is_now() -> bool:
        if not came and moment():
            came.append(time.monotonic())
        return bool(came) and time.monotonic() - came[0] >= seconds

    return is_now


def run_kills(home: Path, kind: str, kills: int, seed: int, processes: int = 1) -> dict[str, Any]:
    """Trainings, one after the other, each killed in every phase, until `kills` kills were given."""
    draw = random.Random(seed)
    killed, calm = home / "killed", home / "calm"
    make_space(killed)
    shutil.copytree(killed, calm)
    given: Counter[str] = Counter()
    figures = {"kind": kind, "processes": processes, "trainings": 0, "steps": 0}
    figures |= {"other_weights": 0, "other_lines": 0}
    while given.total() < kills:
        number = seed * 1000 + figures["trainings"]
        disturbed, left_alone = (Training(space, kind, number, processes) for space in (killed, calm))
        _train_through(disturbed, draw, given, kills)
        ended = run(calm, *left_alone.words, processes=processes)
        assert ended.code == 0, ended.err
        figures["trainings"] += 1
        figures["steps"] += sum(line["kind"] == "train" for line in left_alone.log())
        figures["other_weights"] += disturbed.weights() != left_alone.weights()
        figures["other_lines"] += disturbed.measured() != left_alone.measured()
        _check_tidy(disturbed)
    return figures | {"kills": given.total(), "in": dict(given)}


def make_space(home: Path) -> None:
    small_model(home / "base", attention_dropout=0.1)
    version(home, "traces", conversations(ROWS), per_shard=64)
    version(home, "pairs", pairs(ROWS), per_shard=64)
    version(home, "held-out-traces", conversations(8, seed=1))
    version(home, "held-out-pairs", pairs(8, seed=1))


def _train_through(training: Training, draw: random.Random, given: Counter[str], kills: int) -> None:
    for phase, moment in PHASES.items():
        if given.total() < kills and (phase != "mid-reference" or training.words[0] == "dpo"):
            command = training.start()
            if command.wait_until(moment(training, draw, training.n_lines())):
                command.kill()
            ended = command.end()
            is_killed = -9 in ended.codes
            assert is_killed or ended.code == 0, ended.err
            given[phase] += is_killed
    ended = training.start().end()
    assert ended.code == 0, ended.err


def _check_tidy(training: Training) -> None:
    """Nothing half-written is left where the run's own things are."""
    left = [*training.home.glob(f".{training.out.name}*"), *training.folder.glob("**/.*")]
    assert left == [], left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("sft", "dpo", "reward"), default="sft")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        say(run_kills(Path(home), args.kind, args.kills, args.seed, args.processes))


if __name__ == "__main__":
    main()
