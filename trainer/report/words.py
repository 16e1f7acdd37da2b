"""What a person typed: `sft=a.json,b.json`, `random:rlvr=c.json`, `before=rates@v1`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from trainer.report.errors import ReportError

NAME_CHARS = 40
_NAME = re.compile(rf"[^=:,\s][^=:,]{{0,{NAME_CHARS - 1}}}")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The command line, as words. `samples`: how many prompts are shown with their answers."""

    stages: tuple[str, ...]
    controls: tuple[str, ...] = ()
    greedy: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    pass_rates: tuple[str, ...] = ()
    by: str | None = None
    data: str | None = None
    samples: int = 6


class Named(msgspec.Struct, frozen=True):
    """Files under a name, one a seed. `controls`: the stage that a control is for, where one is written."""

    name: str
    paths: tuple[Path, ...]
    controls: str | None = None


def parse_stages(words: Iterable[str], flag: str = "") -> list[Named]:
    """`NAME=FILE,FILE`. Raises ReportError for another form."""
    return [_named(word, flag, may_control=False) for word in words]


def parse_controls(words: Iterable[str]) -> list[Named]:
    """`NAME=FILE,FILE`, or `NAME:STAGE=FILE,FILE`. Raises ReportError for another form."""
    return [_named(word, "--control ", may_control=True) for word in words]


def parse_runs(words: Iterable[str]) -> list[Named]:
    """`NAME=FOLDER,FOLDER`, or a folder alone, which has no name yet: an empty one."""
    return [_named(word, "--runs ", may_control=False) if "=" in word else Named("", (Path(word),)) for word in words]


def parse_titled(word: str) -> tuple[str, str]:
    """`TITLE=NAME@vN` as its two parts. Raises ReportError."""
    title, equals, version = word.partition("=")
    if not (title.strip() and equals and version):
        raise ReportError(f"--pass-rate {word}: write TITLE=NAME@vN, such as before=rates@v1")
    return title.strip(), version


def _named(word: str, flag: str, may_control: bool) -> Named:
    head, _, files = word.partition("=")
    name, colon, controls = head.partition(":")
    paths = [part for part in files.split(",") if part]
    if not paths or not _NAME.fullmatch(name) or (colon and not (may_control and _NAME.fullmatch(controls))):
        raise ReportError(f"{flag}{word}: write {_form(flag)}, with a name of at most {NAME_CHARS} letters")
    return Named(name, tuple(map(Path, paths)), controls or None)


def _form(flag: str) -> str:
    return {
        "--control ": "NAME=FILE,FILE or NAME:STAGE=FILE,FILE",
        "--runs ": "NAME=FOLDER,FOLDER or FOLDER",
    }.get(flag, "NAME=FILE,FILE")
