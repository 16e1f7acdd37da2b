"""`factory datasets`: look at versions, check them, name them, clean up, and hand them to other trainers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from factory.commands.as_json import print_json
from schemas.errors import DataError

app = App(name="datasets", help="Look at datasets, check, compare, tag, clean up and export them.")

Json = Annotated[bool, Parameter(negative="")]


@app.command
def ls(*, json: Json = False) -> None:
    """List the datasets of the workspace ($FACTORY_HOME, or ./data).

    Parameters
    ----------
    json
        print one JSON array on stdout
    """
    from factory.store.describe import list_datasets
    from factory.store.tables import dataset_table, print_out

    found = list_datasets(_home())
    if json:
        print_json(found)
    elif found:
        print_out(dataset_table(found))
    else:
        print(f"no datasets in {_home()}", file=sys.stderr)


@app.command
def show(ref: str, *, json: Json = False, rows: int = 0) -> None:
    """Show a version: rows, columns, where it comes from, what was dropped and why.

    Parameters
    ----------
    ref
        NAME, NAME@v3, NAME@tag, or a folder or URL in place of NAME
    json
        print one JSON object on stdout: the manifest with location, bytes and rejected
    rows
        print so many rows, too
    """
    from factory.store.describe import describe
    from factory.store.tables import print_out, version_page
    from schemas.datasets import open_version

    version = open_version(ref, _home())
    if json:
        print_json(describe(version, rows))
    else:
        print_out(version_page(version, list(version.records(0, rows))))


@app.command
def diff(before: str, after: str, *, json: Json = False) -> None:
    """Compare two versions: rows added, removed and changed, recipe keys, counters.

    Parameters
    ----------
    before
        a version, such as NAME@v1
    after
        another of the same kind, such as NAME@v2
    json
        print one JSON object on stdout
    """
    from factory.store.diff import diff_versions
    from factory.store.tables import diff_page, print_out
    from schemas.datasets import open_version

    found = diff_versions(open_version(before, _home()), open_version(after, _home()))
    if json:
        print_json(found)
    else:
        print_out(diff_page(found))


@app.command
def verify(ref: str, *, json: Json = False) -> int:
    """Check every byte of a version (of all versions, when none is named). Exits 1 and names each broken file.

    Parameters
    ----------
    ref
        NAME, NAME@v3, NAME@tag, or a folder or URL in place of NAME
    json
        print one JSON object on stdout
    """
    from factory.store.verify import verify as check

    report = check(ref, _home())
    if json:
        print_json(report)
    else:
        for file, problem in report.broken.items():
            print(f"BROKEN {file}: {problem}")
        checked = ", ".join(f"v{number}" for number in report.versions) or "no version"
        verdict = f"{len(report.broken)} broken" if report.broken else "ok"
        print(
            f"{verdict}: {report.location}: {checked}, {report.shards} shards, {report.bytes:,} bytes", file=sys.stderr
        )
    return 1 if report.broken else 0


@app.command
def gc(dataset: str, *, older_than: str = "1h", dry_run: Json = False, json: Json = False) -> None:
    """Remove what no version names: stray shards, unfinished files, dead builds. Writes the card again.

    Parameters
    ----------
    dataset
        NAME, or a folder or URL
    older_than
        keep what was touched within this time: 90s, 30m, 1h, 2d
    dry_run
        remove nothing, only say what would go
    json
        print one JSON array on stdout
    """
    from factory.commands.durations import to_seconds
    from factory.store.gc import collect_garbage
    from schemas.datasets import locate, parse_ref

    parsed = parse_ref(dataset)
    if parsed.version or parsed.tag:
        raise DataError(f"{dataset}: garbage belongs to no version; name the dataset alone")
    folder = locate(parsed.location, _home())
    removed = collect_garbage(folder, to_seconds("--older-than", older_than), dry_run)
    if json:
        print_json(removed)
        return
    for garbage in removed:
        print(f"{'would remove' if dry_run else 'removed'} {garbage.path}: {garbage.reason}, {garbage.bytes:,} bytes")
    print(f"{len(removed)} removed, {sum(garbage.bytes for garbage in removed):,} bytes", file=sys.stderr)


@app.command
def tag(ref: str, name: str, *, json: Json = False) -> None:
    """Name a version, or move the name to it: afterwards NAME@tag means this version.

    Parameters
    ----------
    ref
        NAME@v3, or NAME for the latest
    name
        the tag; not latest, default, v1, v2, ...
    json
        print one JSON object on stdout
    """
    from factory.store.tag import tag_version

    set_tag, before = tag_version(ref, name, _home())
    if json:
        print_json(set_tag)
    else:
        print(f"{name} is v{set_tag.version}" + (f" (was v{before})" if before else ""))


@app.command
def export(ref: str, *, layout: Literal["trl", "open-instruct", "verl"], out: Path, json: Json = False) -> None:
    """Write a version as OUT/train.parquet in the columns of another trainer.

    Parameters
    ----------
    ref
        NAME, NAME@v3, NAME@tag, or a folder or URL in place of NAME
    layout
        whose columns
    out
        folder to write to
    json
        print one JSON object on stdout
    """
    from factory.store.export import export as write
    from schemas.datasets import open_version

    version = open_version(ref, _home())
    path = write(version, layout, out)
    if json:
        print_json({"path": str(path), "rows": version.manifest.rows, "layout": layout})
    else:
        print(f"{path}: {version.manifest.rows:,} rows of {version.name}@v{version.manifest.version} for {layout}")


def _home() -> Path:
    from schemas.datasets import workspace

    return workspace()
