"""What a job may run: `factory` or `trainer` and their words, nothing else, and what the words say."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from schemas.errors import DataError

PROGRAMS = {"factory": "factory.cli", "trainer": "trainer.cli"}
ENDLESS = ("jobs", "schedule", "serve", "view")  # no work that ends
MAX_BYTES = 64 * 1024  # of all words together
# Kinds of `factory build` that ask models or judges, and can be held to a sum.
WITH_MAX_COST = frozenset(
    {"best-of", "completions", "constraints", "evolve", "labels", "magpie", "pass-rate", "personas", "preference"}
    | {"traces"}
)


def check_command(command: Sequence[str], max_cost_usd: float | None = None) -> None:
    """Raises DataError when this cannot be a job, and says why."""
    if not command or command[0] not in PROGRAMS:
        raise DataError(f"a job runs factory or trainer, not {command[0] if command else 'nothing'!r}")
    if len(command) < 2 or (command[0] == "factory" and command[1] in ENDLESS):
        raise DataError(f"{' '.join(command)}: not the work of a job; name a build, a training or the like")
    if any("\0" in word for word in command) or sum(len(word.encode()) for word in command) > MAX_BYTES:
        raise DataError(f"{' '.join(command[:2])}: a word holds a NUL, or all together are longer than {MAX_BYTES} B")
    if max_cost_usd is not None:
        _check_cap(command, max_cost_usd)


def _check_cap(command: Sequence[str], max_cost_usd: float) -> None:
    if not 0 < max_cost_usd < float("inf"):
        raise DataError(f"a cap of {max_cost_usd} US dollars: give more than 0")
    if not has_max_cost(command):
        raise DataError(f"{_named(command)}: has no --max-cost and cannot be held to a cap; leave the cap out")
    if option(command, "--max-cost") is not None:
        raise DataError(f"{_named(command)}: --max-cost is in the command already; leave the cap out")


def has_max_cost(command: Sequence[str]) -> bool:
    return list(command[:2]) == ["factory", "build"] and len(command) > 2 and command[2] in WITH_MAX_COST


def cap_of(command: Sequence[str], max_cost_usd: float | None) -> float | None:
    """US dollars: the cap that was given, or the one among the words."""
    told = option(command, "--max-cost") if has_max_cost(command) else None
    if max_cost_usd is not None or told is None:
        return max_cost_usd
    try:
        return float(told)
    except ValueError as err:
        raise DataError(f"--max-cost {told}: not a number") from err


def out_of(command: Sequence[str]) -> str | None:
    """The dataset or checkpoint that the command makes, as far as its words tell."""
    named = option(command, "--out")
    if named is None and list(command[:2]) == ["factory", "build"] and len(command) > 2:
        return command[2]  # a build is called as its kind, unless told otherwise
    return named


def title_of(command: Sequence[str]) -> str:
    out = out_of(command)
    return _named(command).partition(" ")[2] + (f" -> {out}" if out else "")


def _named(command: Sequence[str]) -> str:
    return " ".join(command[: 3 if list(command[:2]) == ["factory", "build"] else 2])


def option(command: Sequence[str], name: str) -> str | None:
    """The last value of an option, written `--name value` or `--name=value`."""
    found = None
    for place, word in enumerate(command):
        if word == name and place + 1 < len(command):
            found = command[place + 1]
        elif word.startswith(f"{name}="):
            found = word.removeprefix(f"{name}=")
    return found


def argv(command: Sequence[str], max_cost_usd: float | None) -> list[str]:
    """The process to start: our own interpreter and modules, whatever PATH and the folder it starts in hold."""
    words = [sys.executable, "-P", "-m", PROGRAMS[command[0]], *command[1:]]
    if max_cost_usd is not None and option(command, "--max-cost") is None:
        words += ["--max-cost", repr(max_cost_usd)]
    return words
