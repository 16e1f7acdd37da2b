"""Versions as a folder of pages that no service is needed for. A browser opens them from a disk, too."""

from __future__ import annotations

import base64
import hashlib
import shutil
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from factory.looking.columns import State, statistics
from factory.looking.datasets import DatasetLine, VersionPage, version_page
from factory.looking.hits import contamination_hits
from factory.looking.library import Library
from factory.looking.rows import Query, allowed, page
from factory.looking.sample import show_row
from factory.looking.table import Part
from factory.page import datasets, rows, sample
from factory.page.environment import STATIC
from factory.page.frame import Frame, Place
from factory.page.links import BundledLinks
from schemas.errors import DataError

PER_PAGE = 50
ASSETS = ("style.css", "page.js", "icon.svg")
File = tuple[str, str]  # its name and what is in it


def write_bundle(out: Path, versions: Sequence[tuple[Library, str]], most_rows: int) -> int:
    """Write the pages of each version with its first rows. Returns how many pages were written.

    Raises:
        DataError: there is something else in the folder, or two versions have one name.
    """
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out}: not empty; name a folder to make")
    shown = [(library, version_page(library, ref)) for library, ref in versions]
    refs = [each.line.ref for _, each in shown]
    if len(set(refs)) < len(refs):
        raise DataError(f"{', '.join(refs)}: two of one name would lie in one place; write them into two folders")
    out.mkdir(parents=True, exist_ok=True)
    for name in ASSETS:
        shutil.copyfile(STATIC / name, out / name)
    frame = _frame(BundledLinks(refs))
    lines = [DatasetLine(name=each.line.ref, versions=1, tags={}, latest=each.line) for _, each in shown]
    files = [("index.html", datasets.datasets_page(frame, lines))]
    written = _write(out, files)
    for library, each in shown:
        written += _write(out, _pages(frame, library, each, most_rows))
    return written


def _write(out: Path, files: Sequence[File] | Iterator[File]) -> int:
    count = 0
    for name, text in files:
        (out / name).write_text(text, encoding="utf-8")
        count += 1
    return count


def _pages(frame: Frame, library: Library, shown: VersionPage, most_rows: int) -> Iterator[File]:
    line = shown.line
    counted = statistics(library, line.ref)
    state = State(statistics=counted, rows_done=counted.rows, rows=counted.rows)
    hits = contamination_hits(library, line.ref) if shown.contamination else None
    yield frame.links.version(line.ref), datasets.version_page(frame, shown, [], state, hits, library.memory)
    parts: list[tuple[Part, int]] = [("rows", line.rows), ("rejections", line.rejected)]
    for part, count in parts:
        yield from _lists(frame, library, shown, part, min(count, most_rows), state)
        yield from _samples(frame, library, shown, part, min(count, most_rows))


def _lists(frame: Frame, library: Library, shown: VersionPage, part: Part, count: int, state: State) -> Iterator[File]:
    line = shown.line
    for offset in range(0, max(count, 1), PER_PAGE):
        query = Query(offset=offset, limit=min(PER_PAGE, max(count - offset, 1)))
        view = rows.RowsView(
            frame=frame,
            line=line,
            part=part,
            found=page(library, line.ref, query, part=part),
            allowed=allowed(library, line.ref, part),
            state=state,
            drawn=library.memory,
            most=count,
        )
        yield frame.links.rows(line.ref, part, [("offset", str(offset))]), rows.rows_page(view)


def _samples(frame: Frame, library: Library, shown: VersionPage, part: Part, count: int) -> Iterator[File]:
    line = shown.line
    for number in range(count):
        around = sample.Around(
            before=number - 1 if number else None,
            after=number + 1 if number + 1 < count else None,
            query=[("offset", str(number - number % PER_PAGE))],
        )
        found = show_row(library, line.ref, number, part=part)
        yield frame.links.row(line.ref, number, part), sample.sample_page(frame, line, part, found, around)


def _frame(links: BundledLinks) -> Frame:
    return Frame(
        links=links,
        places=[Place("Datasets", "index.html")],
        workspace="a bundle of pages",
        version=version("synthetic-data-factory"),
        policy=_policy(),
        now=time.time(),
    )


def _policy() -> str:
    """By hashes: for pages on a disk there is no `'self'`."""
    script, style = (_digest(name) for name in ("page.js", "style.css"))
    return (
        f"default-src 'none'; script-src 'self' {script}; style-src 'self' {style}; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(name: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256((STATIC / name).read_bytes()).digest()).decode()}'"
