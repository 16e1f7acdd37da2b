"""Datasets and versions as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from factory.store.describe import Listed
from factory.store.diff import Diff
from factory.store.pass_rates import Bin, PassRates, pass_rates
from schemas.datasets import DatasetVersion
from schemas.manifest import Cost, Manifest
from schemas.records import Message, Record
from schemas.shards import columns_of
from schemas.visible import visible

SAMPLE_CHARS = 2000  # of one field of one row
BAR_CHARS = 24


def print_out(part: RenderableType) -> None:
    Console(highlight=False, markup=False, soft_wrap=True).print(part)


def dataset_table(datasets: Iterable[Listed]) -> Table:
    rows = [
        [d.name, f"v{d.versions}", d.kind, f"{d.rows:,}", f"{d.bytes:,}", d.created_at, _tags(d.tags)] for d in datasets
    ]
    return plain_table(["dataset", "latest", "kind", "rows", "bytes", "made", "tags"], rows)


def version_page(version: DatasetVersion, rows: Sequence[Record]) -> RenderableType:
    """One version, and some of its rows."""
    manifest = version.manifest
    columns = plain_table(["column", "type"], columns_of(manifest).items())
    measured = pass_rates(version)
    return Group(
        *(_facts(version), "", columns, "", _inputs(manifest), "", _stages(manifest)),
        *([] if measured is None else ["", pass_rate_table(measured)]),
        *_told(manifest),
        *(_sample(row) for row in rows),
    )


def _facts(version: DatasetVersion) -> Table:
    manifest = version.manifest
    rejected = sum(shard.rows for shard in manifest.rejections)
    n_bytes = sum(shard.bytes for shard in manifest.shards)
    facts = {
        "version": f"{manifest.name}@v{manifest.version}, after {f'v{manifest.parent}' if manifest.parent else 'none'}",
        "kind": manifest.kind,
        "rows": f"{manifest.rows:,} in {len(manifest.shards)} shards, {n_bytes:,} bytes; {rejected:,} rejected",
        "made": f"{manifest.created_at} by build {manifest.build_id}",
        "tokens": f"{manifest.tokens.prompt:,} prompt, {manifest.tokens.completion:,} completion",
        "cost": _cost(manifest.cost),
        "licences": ", ".join(manifest.licences) or "none stated",
        "manifest": manifest.sha256,
        "location": version.folder.location,
    }
    table = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        table.add_row(name, Text(visible(fact), overflow="fold"))
    return table


def _cost(cost: Cost) -> str:
    if cost.usd is None:
        return "unknown: no price for the model"
    return f"{cost.usd:.4f} USD" + (f", prices of {cost.prices_date}" if cost.prices_date else "")


def _inputs(manifest: Manifest) -> Table:
    rows = [["input", ref.name, f"v{ref.version}" if ref.version else "", ref.sha256[:20]] for ref in manifest.inputs]
    rows += [[ref.role, ref.model, ref.revision, f"{ref.engine} {ref.engine_version}"] for ref in manifest.models]
    return plain_table(["from", "name", "revision", "sha256 or engine"], rows)


def _stages(manifest: Manifest) -> Table:
    rows = [
        [c.stage, f"{c.rows_in:,}", f"{c.rows_out:,}", _tally(c.dropped), _tally(c.failed), _tally(c.noted)]
        for c in manifest.counters
    ]
    return plain_table(["stage", "in", "out", "dropped", "failed", "noted"], rows)


def report_lines(manifest: Manifest) -> list[str]:
    """What the build found out about its data, for people."""
    report = manifest.report or {}
    return [*report.get("lines", ()), *(f"WARNING: {warning}" for warning in report.get("warnings", ()))]


def _told(manifest: Manifest) -> Iterator[RenderableType]:
    lines = report_lines(manifest)
    if lines:
        yield ""
    yield from (Text(visible(line)) for line in lines)


def pass_rate_table(measured: PassRates) -> RenderableType:
    """A histogram; of a build of pass rates with what became of the prompts, and how much of the drawing was saved."""
    most = max(found.total for found in measured.bins)
    rows = [[found.label, f"{found.total:,}", _bar(found.total, most)] for found in measured.bins]
    head = ["pass rate up to", "prompts", ""]
    if measured.planned is None or measured.drawn is None:
        return plain_table(head, rows)
    became = [[f"{part:,}" for part in _parts(found)] for found in measured.bins]
    table = plain_table([*head, "kept", "too hard", "too easy"], [a + b for a, b in zip(rows, became, strict=True)])
    drawn = f"{measured.drawn:,} completions drawn of {measured.planned:,} planned"
    saved = 1 - measured.drawn / measured.planned
    return Group(table, drawn + (f": {saved:.1%} saved" if saved > 0 else ""))


def _parts(found: Bin) -> tuple[int, int, int]:
    return found.kept, found.too_hard, found.too_easy


def _bar(count: int, most: int) -> str:
    """At least one mark where there is anything."""
    return "#" * -(-count * BAR_CHARS // max(most, 1))


def _sample(row: Record) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if value is not None:
            table.add_row(name, Text("\n".join(_sample_lines(value)), overflow="fold"))
    return Group("", table)


def _sample_lines(value: object) -> Iterator[str]:
    if isinstance(value, list) and value and isinstance(value[0], Message):
        for turn in value:
            if turn.reasoning is not None:
                yield f"[{_shown(turn.role)} thinks] {_shown(turn.reasoning)}"
            yield f"[{_shown(turn.role)}] {_shown(turn.content)}"
    else:
        yield _shown(str(value))


def _shown(text: str) -> str:
    cut = text if len(text) <= SAMPLE_CHARS else f"{text[:SAMPLE_CHARS]}... ({len(text):,} characters)"
    return visible(cut, keep="\n\t")


def diff_page(diff: Diff) -> RenderableType:
    """What `factory datasets diff` prints."""
    rows = diff.rows
    counts = plain_table(
        ["rows", "number", "for example"],
        [
            [kind, f"{number:,}", ", ".join(rows.examples.get(kind, []))]
            for kind, number in {
                "added": rows.added,
                "removed": rows.removed,
                "changed": rows.changed,
                "unchanged": rows.unchanged,
            }.items()
        ],
    )
    recipe = plain_table(
        ["recipe", diff.before, diff.after], ([key, str(a), str(b)] for key, (a, b) in diff.recipe.items())
    )
    books = plain_table(
        ["counter", diff.before, diff.after], ([key, _count(a), _count(b)] for key, (a, b) in diff.counters.items())
    )
    return Group(counts, "", recipe, "", books)


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _tally(counts: dict[str, int]) -> str:
    return ", ".join(f"{kind} {number:,}" for kind, number in counts.items())


def _tags(tags: dict[str, int]) -> str:
    return ", ".join(f"{name}=v{version}" for name, version in tags.items())


def plain_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in head:
        table.add_column(visible(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    return table
