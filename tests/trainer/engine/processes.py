"""The same cases in two processes that train together: started here, answers by a file.

python -m tests.trainer.engine.processes CASES.json ANSWERS.pt     (RANK, WORLD_SIZE, ... set)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from trainer.launch import free_port

ROOT = Path(__file__).parents[3]
LIMIT_S = 280


def run_together(home: Path, cases, bounds, folder: Path, processes: int = 2):
    """{name: (weights, losses, norms)} of {name: [kind, tables of the recipe, micro-batches of a step]}.

    A value model is of no kind of recipe by itself: "value" trains one on the rows of "sft".
    """
    import torch

    (folder / "cases.json").write_text(json.dumps({"home": str(home), "cases": cases, "bounds": bounds}))
    answers = folder / "answers.pt"
    shared = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    command = [sys.executable, "-m", "tests.trainer.engine.processes", str(folder / "cases.json"), str(answers)]
    started = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **shared, "OMP_NUM_THREADS": "1", "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    try:
        said = [process.communicate(timeout=LIMIT_S)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert all(process.returncode == 0 for process in started), "\n".join(said)
    return torch.load(answers, weights_only=True)


def main(cases_file: Path, answers: Path) -> None:
    import torch

    from tests.trainer.engine.training import VALUES, Trained, options_for, recipe_of
    from trainer.world import join_world, leave_world

    asked = json.loads(cases_file.read_text())
    home, world, found = Path(asked["home"]), join_world(), {}
    for name, (kind, tables, bins) in asked["cases"].items():
        tables["batch"] = {"micro_tokens": asked["bounds"][str(bins)]}
        data, objective = "traces@v1" if kind in ("sft", "value") else "pairs@v1", None
        if kind == "value":
            kind, objective = "sft", VALUES
        options = options_for(home, home / "base", data, recipe_of(kind, **tables))
        trained = Trained(options, world, objective=objective)
        found[name] = (trained.weights, trained.of_each_step("loss"), trained.of_each_step("grad_norm"))
    if world.is_first:
        torch.save(found, answers)
    leave_world(world)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
