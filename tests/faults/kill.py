"""kill -9 at random points of builds: nothing lost, nothing twice, nothing paid for again beyond what was in flight.

python -m tests.faults.kill --kills 500 --seed 0
python -m tests.faults.kill --kind traces --kills 100

Each version is compared, shard by shard, with one that nobody disturbed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tests.faults.harness import Inside, Server, Workspace, questions, say, serving
from tests.faults.moments import Build, Course, Moment, at_any_moment, at_any_moment_without_answers

IN_FLIGHT = 64


def most_paid_again(kind: str) -> int:
    """After one kill: the requests of the rows that ask, or whose answers wait to be written."""
    return 2 * IN_FLIGHT * KINDS[kind].at_once


class Kind(msgspec.Struct, frozen=True):
    """How a kind is built, and what its server is like."""

    words: tuple[str, ...]
    server: dict[str, Any] = {}
    is_judged: bool = False  # by the same server
    at_once: int = 1  # requests of one row, times the models that are asked; 0: it asks none
    data: str = "prompts"
    moment: Moment = at_any_moment


def _sets(**settings: Any) -> tuple[str, ...]:
    return tuple(word for name, value in settings.items() for word in ("--set", f"{name}={value}"))


GOING_ON = {"continuation.rounds": 3, "require_reasoning": "false", "truncated": "keep", "filter": "[]"}
FEW = ["punctuation:punctuation_dot", "paragraphs:paragraphs", "first_word:first_word_sent", "punctuation:no_comma"]
# Of some prompts too few of these can stand together, and some variants are the same again.
FEW_CONSTRAINTS = {"only": json.dumps(FEW), "at_least": 3, "at_most": 3, "variants": 3}
KINDS = {
    "completions": Kind(("completions",)),
    "traces": Kind(("traces", *_sets(**GOING_ON)), {"vllm": True, "cut_share": 0.4}),
    "pass-rate": Kind(
        ("pass-rate", "--n", "6", "--keep", "0<p<0.6", *_sets(**{"sequential.enabled": "true"})),
        {"says": "numbers"},
        at_once=2,
    ),
    "evolve": Kind(("evolve", "--rounds", "3"), {"says": "prompts"}),
    "magpie": Kind(("magpie",), {"vllm": True}, data=""),
    "labels": Kind(("labels",), {"judges": True}, is_judged=True, data="answers"),
    "preference": Kind(("preference", "--n", "2"), {"judges": True}, is_judged=True, at_once=4),
    "best-of": Kind(
        ("best-of", "--n", "3", *_sets(keep=2, min_score=0.5)),
        {"judges": True, "cut_share": 0.2},
        is_judged=True,
        at_once=6,
    ),
    "personas": Kind(("personas", "--n", "2"), {"says": "prompts", "cut_share": 0.2}, at_once=2),
    "constraints": Kind(("constraints", *_sets(**FEW_CONSTRAINTS)), at_once=0, moment=at_any_moment_without_answers),
}


def run(
    home: Path, kills: int, seed: int, rows: int = 1500, kind: str = "completions", moment: Moment | None = None
) -> dict[str, Any]:
    """Builds, one after the other, each killed until it is through, until `kills` kills were given."""
    draw, wait = random.Random(seed), moment or KINDS[kind].moment
    space, calm = Workspace(home / "killed"), Inside(home / "calm")
    figures = {
        "kills": 0,
        "builds": 0,
        "rows": 0,
        "rejected": 0,
        "lost": 0,
        "duplicated": 0,
        "differing": 0,
        "strays": 0,
    }
    figures |= {"paid_again": 0, "most_paid_again": 0}
    with serving(latency_s=0.03, answer_words=40, **KINDS[kind].server) as server:
        words = _words(KINDS[kind], calm, server, rows)
        shutil.copytree(calm.home, space.home)
        while figures["kills"] < kills:
            number = figures["builds"]
            out = f"out{number}"
            same = (*words, "--out", out, *_sets(seed=number, **{"run.max_in_flight": IN_FLIGHT}))
            waiting = _waiting(wait, draw, server, rows, space.home / out)
            _kill_until_done(space, server, same, waiting, figures, kills)
            calm.result(*same)
            _compare(space, calm, f"{out}@v1", figures)
            figures["builds"] += 1
    figures["paid_again_per_kill"] = round(figures["paid_again"] / max(1, figures["kills"]), 2)
    return figures


def _waiting(wait: Moment, draw: random.Random, server: Server, rows: int, folder: Path) -> Callable[[Build], None]:
    return lambda build: wait(draw, Course(build, rows, lambda: server.stats()["answered"], folder))


def _words(kind: Kind, space: Workspace, server: Server, rows: int) -> tuple[str, ...]:
    """The command, but for its seed and its place. Makes what is read."""
    space.home.mkdir()
    words = ["build", *kind.words]
    if kind.data:
        data = space.prompts(questions(rows), "prompts", "--verifier", "gsm8k", "--ground-truth-column", "answer")
        if kind.data == "answers":
            answers = ("build", "completions", "--data", data, "--policy", server.endpoint, "--out", "answers")
            data = f"answers@v{space.result(*answers)['version']}"
        words += ["--data", data]
    else:
        words += ["--count", str(rows)]
    if kind.at_once and kind.data != "answers":
        words += ["--policy", server.endpoint]
    if kind.is_judged:
        words += ["--recipe", str(_judging(space, server))]
    return tuple(words)


def _judging(space: Workspace, server: Server) -> Path:
    path = space.home / "judged.toml"
    options = 'aspects = ["helpfulness"]'
    model = f'[[judge.model]]\nmodel = "{server.endpoint}"\n'
    path.write_text(f'[[judge]]\njudge = "aspects"\n{model}[judge.options]\n{options}\n')
    return path


def _kill_until_done(
    space: Workspace,
    server: Server,
    words: tuple[str, ...],
    wait: Callable[[Build], None],
    figures: dict[str, Any],
    kills: int,
) -> None:
    paid_again = server.stats()["answered_again"]
    while True:
        build = space.start(*words)
        if figures["kills"] < kills:
            wait(build)
            if build.poll() is None:
                build.kill()
                figures["kills"] += 1
        _, err = build.communicate()
        now = server.stats()["answered_again"]
        figures["paid_again"] += now - paid_again
        figures["most_paid_again"] = max(figures["most_paid_again"], now - paid_again)
        paid_again = now
        if build.returncode == 0:
            return
        if build.returncode != -9:
            raise AssertionError(f"exit {build.returncode}: {err}")


def _compare(space: Workspace, calm: Workspace, ref: str, figures: dict[str, Any]) -> None:
    ours, theirs = (Counter(json.dumps(row) for row in one.rows(ref)) for one in (space, calm))
    figures["rows"] += ours.total()
    figures["rejected"] += sum(shard["rows"] for shard in space.manifest(ref)["rejections"])
    figures["lost"] += (theirs - ours).total()
    figures["duplicated"] += (ours - theirs).total()
    figures["differing"] += _bytes(space, ref) != _bytes(calm, ref)
    inside = Inside(space.home)
    gone = inside.result("datasets", "gc", ref.partition("@")[0], "--older-than", "0s")
    figures["strays"] += len(gone)  # what a process left that died while it committed
    verified = inside.run("datasets", "verify", ref)
    if verified.returncode != 0:
        raise AssertionError(verified.stdout + verified.stderr)


def _bytes(space: Workspace, ref: str) -> list[Any]:
    """What the rows and the rejected ones hash to, and the books."""
    made = space.manifest(ref)
    return [*([shard["sha256"] for shard in made[key]] for key in ("shards", "rejections")), made["counters"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, default="completions")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=1500)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        say(run(Path(home), args.kills, args.seed, args.rows, args.kind))


if __name__ == "__main__":
    main()
