"""A picture with its title."""

from __future__ import annotations

import msgspec
from markupsafe import Markup


class Key(msgspec.Struct, frozen=True):
    """An entry of a legend."""

    swatch: Markup
    name: str


class Plot(msgspec.Struct, frozen=True):
    """`keys`: of its lines, where there are several."""

    title: str
    svg: Markup
    note: str = ""
    keys: list[Key] = []
