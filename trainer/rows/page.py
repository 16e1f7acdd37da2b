"""An inspection for people: token by token, then the counts. Text of models is hostile: no markup, no control codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.visible import visible
from trainer.rows.check import INVARIANTS
from trainer.rows.errors import BROKEN, UNUSABLE
from trainer.rows.inspection import Inspection, ShownDocument

HEAD, TAIL = 900, 300  # tokens of a long document that are shown
TRAINED = ("black on green", "black on bright_green")  # in turn, so that tokens can be told apart
PROMPT = ("default", "bright_black")
PLAIN_MARKS = str.maketrans({"[": "\\[", "]": "\\]", "|": "\\|", "\\": "\\\\"})


def print_page(found: Inspection) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(inspection_page(found, coloured=console.is_terminal and not console.no_color))


def inspection_page(found: Inspection, *, coloured: bool) -> RenderableType:
    legend = "on green: trained" if coloured else "[token]: trained, token|: not trained"
    shown = [part for document in found.shown for part in (_title(document), _tokens(document, coloured), "")]
    return Group(*([legend, "", *shown] if shown else []), _counts(found), *_troubles(found))


def _title(document: ShownDocument) -> Text:
    trained = sum(document.trained)
    return Text(f"{visible(document.title)}: {len(document.ids):,} tokens, {trained:,} trained", style="bold")


def _tokens(document: ShownDocument, coloured: bool) -> Text:
    pairs = list(zip(document.tokens, document.trained, strict=True))
    left_out = len(pairs) - HEAD - TAIL
    text = Text()
    if left_out <= 0:
        return _written(text, enumerate(pairs), coloured)
    _written(text, enumerate(pairs[:HEAD]), coloured).append(f"\n... {left_out:,} tokens ...\n", style="italic")
    return _written(text, enumerate(pairs[-TAIL:]), coloured)


def _written(text: Text, pairs: Iterable[tuple[int, tuple[str, bool]]], coloured: bool) -> Text:
    for number, (token, trained) in pairs:
        if coloured:
            text.append(visible(token), style=(TRAINED if trained else PROMPT)[number % 2])
        else:
            plain = visible(token.translate(PLAIN_MARKS))
            text.append(f"[{plain}]" if trained else f"{plain}|")
        if token.endswith("\n"):
            text.append("\n")
    return text


def _counts(found: Inspection) -> Table:
    table = Table.grid(padding=(0, 2))
    rows = {
        "data": ", ".join(found.data),
        "model": found.model,
        "rows": f"{found.rows:,} read, {sum(found.unusable.values()):,} unusable",
        "tokens": f"{found.tokens:,} in {found.documents:,} documents",
        "trained": f"{found.trained_tokens:,} ({found.share:.1%})",
        "length": _lengths(found),
        "over length": f"{found.over_length:,} rows over {found.max_length:,} tokens",
    }
    for name, value in rows.items():
        table.add_row(name, Text(visible(value), overflow="fold"))
    return table


def _lengths(found: Inspection) -> str:
    lengths = found.lengths
    if lengths is None:
        return "no row could be rendered"
    return f"50% {lengths.p50:,}, 90% {lengths.p90:,}, 99% {lengths.p99:,}, longest {lengths.max:,}"


def _troubles(found: Inspection) -> Iterator[RenderableType]:
    for kind, count in found.unusable.items():
        yield _trouble(found, f"unusable: {kind} {count:,}", kind, UNUSABLE[kind])
    for kind, count in found.broken.items():
        yield _trouble(found, f"BROKEN: {kind} {count:,}", kind, (BROKEN | INVARIANTS)[kind])
    for note in found.notes:
        yield Text(visible(f"note: {note}"))
    if not found.is_broken:
        yield f"the masks are as they must be ({', '.join(INVARIANTS)})"


def _trouble(found: Inspection, title: str, kind: str, meaning: str) -> Text:
    return Text(f"{title} ({meaning}), for example {visible(found.examples[kind])}")
