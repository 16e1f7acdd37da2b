"""What the command prints: the ladder, with a line for each comparison."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.visible import visible
from trainer.report.findings import Findings
from trainer.report.tables import Table, ladder_table


def ladder_lines(found: Findings) -> Iterator[str]:
    table = ladder_table(found)
    yield visible(table.caption)
    yield ""
    yield from table_lines(table)
    yield ""
    yield found.rule


def table_lines(table: Table) -> Iterator[str]:
    """Columns as wide as their widest cell. Lines are never cut short; a narrow terminal wraps them itself."""
    names = [name for name, _ in table.columns]
    lines = [list(map(visible, row)) for row in (names, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, table.columns, strict=True)
        padded = (cell.rjust(width) if side == "right" else cell.ljust(width) for cell, width, (_, side) in cells)
        yield "  ".join(padded).rstrip()
