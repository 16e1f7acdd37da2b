"""A run that draws made batches, saves how far it came, and publishes; killed at each thing that it makes durable.

    python -m tests.trainer.rlvr.lives FOLDER EVERY

EVERY: 1 dies at every moment, 4 at every fourth. Prints one JSON object: deaths, and what the lives after them ended
with (one entry where all ended alike).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from factory.store.gc import collect_garbage
from factory.store.verify import verify
from schemas.datasets import open_version, versions
from schemas.folder import Folder
from schemas.manifest import Manifest, ModelRef
from tests.trainer.rlvr.made import group, prompt
from tests.trainer.small import version
from trainer.options import Options
from trainer.recipe import identity
from trainer.rlvr.archive import Archive
from trainer.rlvr.collecting import Batch
from trainer.rlvr.ledger import Ledger
from trainer.rlvr.outputs import Outputs, plan_outputs
from trainer.rlvr.pass_rates import measure
from trainer.rlvr.publish import publish
from trainer.rlvr.rollout_rows import RolloutRows
from trainer.rlvr_recipe import RlvrRecipe

POLICY = ModelRef(role="policy", model="ckpt/dpo", revision="f" * 64, engine="transformers", engine_version="5")
TRUTHS = ["0", "1", "2", "3", "3 4", "5", "6", "7"]  # every answer is "3 4"
PROMPTS = [prompt(number, ground_truth=truth, metadata='{"level":1}') for number, truth in enumerate(TRUTHS)]
SAVED = "saved"  # how many draws the last checkpoint has


def made_group(draw: int, rewards, **changes):
    found = group(draw, rewards, number=draw % len(PROMPTS), **changes)
    return found.__class__(draw=draw, prompt=PROMPTS[draw % len(PROMPTS)], rollouts=found.rollouts)


def batches() -> list[Batch]:
    """Three of two groups each; the second had to draw more, the third lost a rollout's reward."""
    learnt = [
        [(0, (0.0, 1.0)), (1, (1.0, 0.0))],
        [(2, (1.0, 0.0)), (4, (0.0, 1.0))],
        [(5, (None, 1.0, 0.0)), (9, (0, 1))],
    ]
    others = [[], [("all wrong", 3, (0.0, 0.0))], [("all alike", number, (1.0, 1.0)) for number in (6, 7, 8)]]
    return [_batch(step, kept, left) for step, (kept, left) in enumerate(zip(learnt, others, strict=True))]


def _batch(step: int, kept, left) -> Batch:
    return Batch(
        groups=[made_group(draw, rewards, version=step) for draw, rewards in kept],
        left_out=dict(Counter(why for why, _, _ in left)),
        drawn=len(kept) + len(left),
        others=[(why, made_group(draw, rewards, version=step)) for why, draw, rewards in left],
    )


def groups_of(batch: Batch):
    found = [*batch.groups, *(group for _, group in batch.others)]
    return sorted(found, key=lambda group: group.draw)


def run_options(home: Path, out: str = "rlvr", **run) -> Options:
    recipe = RlvrRecipe(max_steps=3, optimizer={"lr": 1e-4}, run=run)
    return Options(data=("prompts@v1",), model=home / "none", out=home / out, recipe=recipe, workspace=home / "data")


def run_outputs(options: Options) -> Outputs:
    if not (options.workspace / "prompts").exists():
        version(options.workspace, "prompts", PROMPTS)
    return plan_outputs(options, {"recipe": identity(options.recipe), "software": {"torch": "2"}})


def open_archive(options: Options, taken: int) -> Archive:
    return Archive(options.run_folder / "rollouts", RolloutRows(POLICY, False), taken)


def taken_after(count: int) -> int:
    return sum(batch.drawn for batch in batches()[:count])


def live(options: Options, every: int = 2) -> list[Manifest]:
    """From the last checkpoint to the end. Saves one every two batches, and after the last."""
    saved = options.run_folder / SAVED
    saved.parent.mkdir(parents=True, exist_ok=True)
    steps = int(saved.read_text()) if saved.exists() else 0
    archive, ledger = open_archive(options, taken_after(steps)), Ledger()
    for step, batch in enumerate(batches()):
        for drawn in groups_of(batch):
            ledger.add(drawn)
        if step < steps:
            continue
        archive.add(batch, step + 1)
        if (step + 1) % every == 0 or step + 1 == len(batches()):
            aside = saved.with_suffix(".tmp")
            aside.write_text(str(step + 1))
            aside.replace(saved)
    return publish(run_outputs(options), archive, measure(PROMPTS, ledger.entries, POLICY))


def found(options: Options) -> dict:
    """What is in the workspace, but for times and ids."""
    counted = {}
    for name in ("rlvr-rollouts", "rlvr-pass-rate"):
        folder = Folder.open(options.workspace / name)
        rows = [
            row for number in versions(folder) for row in open_version(f"{name}@v{number}", options.workspace).records()
        ]
        collect_garbage(folder)  # an unfinished manifest or card beside its place
        counted[name] = {
            "versions": versions(folder),
            "rows": len(rows),
            "different": len({getattr(row, "completion_id", row.prompt_id) for row in rows}),
            "broken": verify(str(options.workspace / name), options.workspace).broken,
            "left": [path for path in folder.list("_builds") if not path.endswith(".lock")],
        }
    return counted


def _dies_at(moment: int) -> None:
    """As by kill -9, just before the `moment`-th file gets or loses its name."""
    seen = iter(range(1, 10**6))

    def look(event: str, arguments: tuple) -> None:
        if event in ("os.rename", "os.link", "os.remove") and next(seen) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def _ends(options: Options, moment: int) -> bool:
    """Whether a life that would die at this moment came to its end before."""
    child = os.fork()
    if child == 0:
        _dies_at(moment)
        live(options)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def lives(home: Path, every: int) -> Iterator[dict]:
    for moment in range(1, 1000, every):
        options = run_options(home / str(moment))
        run_outputs(options)
        if _ends(options, moment):
            return
        live(options)
        live(options)  # once more, as if it had been killed before the export
        yield found(options)
        shutil.rmtree(home / str(moment))


def main(home: Path, every: int) -> None:
    live(run_options(home / "first"))  # what is imported late is there when the lives begin
    ends = list(lives(home, every))
    different = {json.dumps(end, sort_keys=True) for end in ends}
    print(json.dumps({"deaths": len(ends), "ends": [json.loads(end) for end in different]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
