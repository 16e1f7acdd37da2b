"""The page that sets two versions, or two models, side by side on the same prompts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from factory.looking.compare import Comparison, Order, Pairs
from factory.looking.sides import SideRef
from factory.page.drawn.small import bins
from factory.page.frame import Frame, render_page
from factory.page.links import Pairs as Query
from factory.page.words import plural

ORDERS: dict[Order, str] = {
    "differing": "those that differ most",
    "second_better": "where the second is better",
    "first_better": "where the first is better",
    "prompt": "in the order of the prompts",
}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared. Nothing yet where a side is None."""

    first: SideRef | None
    second: SideRef | None
    labels: str | None
    order: Order


def compare_page(
    frame: Frame,
    asked: Asked,
    choices: Sequence[str],
    found: Comparison | None,
    pairs: Pairs | None,
    problem: str | None = None,
) -> str:
    """`choices`: versions that can be named. `problem`: why these two cannot be compared."""
    return render_page(
        "compare.html",
        frame,
        "Compare",
        f"{asked.first.ref} and {asked.second.ref}" if asked.first and asked.second else "Compare",
        asked=asked,
        choices=choices,
        orders=ORDERS,
        found=found,
        pairs=pairs,
        problem=problem,
        spread=bins(found.differences, "Bars: differences of the score, second less first")
        if found and found.differences
        else None,
        summary=_summary(found) if found else "",
        query=_query(asked),
    )


def _summary(found: Comparison) -> str:
    shared = f"{plural(found.shared, 'prompt')} on both sides"
    alone = [
        f"{count:,} only on the {side}"
        for count, side in ((found.only_first, "first"), (found.only_second, "second"))
        if count
    ]
    return ", ".join([shared, *alone])


def _query(asked: Asked) -> Query:
    named = [("first", asked.first and asked.first.ref), ("first_model", asked.first and asked.first.model)]
    named += [("second", asked.second and asked.second.ref), ("second_model", asked.second and asked.second.model)]
    named += [("labels", asked.labels), ("order", asked.order)]
    return [(name, value) for name, value in named if value]
