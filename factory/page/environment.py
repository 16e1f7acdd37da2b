"""The templates. Every text that they write is made visible and escaped; only markup drawn here goes in as it is."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from factory.page import words
from schemas.visible import visible

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
KEPT = "\n\t"  # of the characters that are no letters
FILTERS = {
    "count": words.count,
    "compact": words.compact,
    "size": words.size,
    "usd": words.usd,
    "share": words.share,
    "number": words.number,
    "short": words.short,
    "duration": words.duration,
    "moment": words.moment,
    "plural": words.plural,
}


@functools.cache
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # or each page would ask the disk whether its templates are still the same
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    made.filters["path"] = lambda text: quote(text, safe="")
    made.globals["time"] = time_element
    return made


@functools.cache
def asset(name: str) -> str:
    """The name of a file of `static` with a hash of its bytes, so that a browser may keep it for good."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"{name}?{digest[:12]}"


def render(template: str, **values: Any) -> str:  # noqa: ANN401 - what a template is about
    return environment().get_template(template).render(**values)


def time_element(epoch_s: float | None, now: float) -> Markup:
    """How long ago, with the exact time to hover over."""
    if epoch_s is None:
        return Markup(words.NONE)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        words.stamp(epoch_s), words.moment(epoch_s), words.ago(epoch_s, now)
    )


def _visible(value: Any) -> Any:  # noqa: ANN401 - whatever a template writes
    """Our own markup stays; text, before it is escaped, loses what would act on a reader's screen."""
    if type(value) is str:  # nearly always, and nearly always as it is
        return value if value.isprintable() else visible(value, KEPT)
    return visible(value, KEPT) if isinstance(value, str) and not isinstance(value, Markup) else value
