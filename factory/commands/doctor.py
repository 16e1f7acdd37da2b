"""`factory doctor`: what this machine has, what it lacks, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from factory.commands.as_json import print_json

if TYPE_CHECKING:
    from rich.table import Table

    from factory.doctor import Report

app = App(name="doctor", help="Look at this machine: packages, GPU, vLLM, disk, and how well it contains code.")


@app.default
def doctor(*, json: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Look at this machine, and say what to do about what is missing.

    Parameters
    ----------
    json
        print one JSON object on stdout
    """
    from factory.doctor import examine
    from factory.store.tables import print_out
    from schemas.datasets import workspace

    report = examine(workspace())
    if json:
        print_json(report)
    else:
        print_out(_page(report))


def _page(report: Report) -> Table:
    from rich.table import Table
    from rich.text import Text

    styles = {"ok": "green", "limited": "yellow", "missing": "red"}
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("", "state", "found"):
        table.add_column(column)
    for finding in report.findings:
        found = Text(finding.found)
        if finding.advice:
            found.append(f"\n-> {finding.advice}", style="dim")
        table.add_row(finding.name, Text(finding.state, style=styles[finding.state]), found)
    return table
