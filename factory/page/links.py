"""Where pages lie: those of a service under paths, those of a bundle in files beside each other."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Protocol
from urllib.parse import quote, urlencode

from factory.looking.table import Part
from factory.page.environment import asset

KEPT = 128  # parts of addresses: on a page of rows all links have the same
Pairs = Sequence[tuple[str, str]]
PARTS: dict[Part, str] = {"rows": "samples", "rejections": "rejected"}


class Links(Protocol):
    """`ref`: "pairs@v3". `query`: of rows, as pairs. `has`: whether there is a page of this version."""

    is_static: bool

    def has(self, ref: str) -> bool: ...

    def asset(self, name: str) -> str: ...

    def datasets(self) -> str: ...

    def version(self, ref: str) -> str: ...

    def rows(self, ref: str, part: Part = "rows", query: Pairs = ()) -> str: ...

    def row(self, ref: str, number: int, part: Part = "rows", query: Pairs = ()) -> str: ...

    def full_text(self, ref: str, number: int, path: str, part: Part = "rows") -> str | None: ...


class ServedLinks:
    """Pages of a service."""

    is_static = False

    def has(self, ref: str) -> bool:
        return True

    def asset(self, name: str) -> str:
        return f"/static/{asset(name)}"

    def datasets(self) -> str:
        return "/datasets"

    def version(self, ref: str) -> str:
        return _version_path(ref)

    def rows(self, ref: str, part: Part = "rows", query: Pairs = ()) -> str:
        return _with(f"{self.version(ref)}/{PARTS[part]}", query)

    def row(self, ref: str, number: int, part: Part = "rows", query: Pairs = ()) -> str:
        return _with(f"{self.version(ref)}/{PARTS[part]}/{number}", query)

    def full_text(self, ref: str, number: int, path: str, part: Part = "rows") -> str | None:
        return _with(f"{self.version(ref)}/{PARTS[part]}/{number}/text", [("path", path)])


class BundledLinks:
    """Pages of a folder, which no service answers for: no searches, and no text beyond what a page shows."""

    is_static = True

    def __init__(self, refs: Collection[str]) -> None:
        self._refs = refs

    def has(self, ref: str) -> bool:
        return ref in self._refs

    def asset(self, name: str) -> str:
        return name

    def datasets(self) -> str:
        return "index.html"

    def version(self, ref: str) -> str:
        return f"{self._stem(ref)}.html"

    def rows(self, ref: str, part: Part = "rows", query: Pairs = ()) -> str:
        offset = dict(query).get("offset", "0")
        return f"{self._stem(ref)}.{PARTS[part]}-{offset}.html"

    def row(self, ref: str, number: int, part: Part = "rows", query: Pairs = ()) -> str:
        return f"{self._stem(ref)}.{PARTS[part]}.row-{number}.html"

    def full_text(self, ref: str, number: int, path: str, part: Part = "rows") -> str | None:
        return None

    def _stem(self, ref: str) -> str:
        return ref.replace("@", ".")


@functools.lru_cache(KEPT)
def _version_path(ref: str) -> str:
    name, _, version = ref.partition("@")
    return f"/datasets/{quote(name, safe='')}/{quote(version or 'latest', safe='')}"


def _with(path: str, query: Pairs) -> str:
    return f"{path}?{_written(tuple(query))}" if query else path


@functools.lru_cache(KEPT)
def _written(query: tuple[tuple[str, str], ...]) -> str:
    return urlencode(query)
