"""What stands at each place of the rows' metadata: "family", "entry.metadata.difficulty"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from factory.looking.tally import Tally

MOST_PLACES = 60
MOST_VALUES = 1000  # different texts of a place that are told apart
DEPTH = 3
LONG = 200  # characters: a longer text is no category


class PlaceCount:
    """Of one place. `values`: None when there are too many, or too long ones."""

    def __init__(self) -> None:
        self.rows = 0
        self.tally = Tally()
        self.values: Counter[str] | None = Counter()
        self.is_number = False
        self._numbers: list[float] = []
        self._lengths: list[float] = []

    def add(self, value: Any) -> None:  # noqa: ANN401 - any JSON scalar
        self.rows += 1
        if isinstance(value, int | float) and not isinstance(value, bool):
            self._numbers.append(float(value))
            return
        text = str(value).lower() if isinstance(value, bool) else value
        self._lengths.append(len(text))
        if self.values is not None and len(text) <= LONG:
            self.values[text] += 1
        if len(text) > LONG or (self.values is not None and len(self.values) > MOST_VALUES):
            self.values = None

    def settle(self) -> None:
        """Of a place with numbers they are counted, of another one the lengths of texts."""
        self.is_number = self.is_number or bool(self._numbers)
        self.tally.add(np.array(self._numbers if self.is_number else self._lengths))
        self._numbers, self._lengths = [], []


class PlacesCount:
    def __init__(self) -> None:
        self.rows = 0
        self._places: dict[str, PlaceCount] = {}
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode

    def add(self, column: pa.Array) -> None:
        self.rows += len(column)
        for text in column.drop_null().to_pylist():
            for name, value in _scalars(self._fields(text), "", DEPTH):
                place = self._places.get(name)
                if place is None and len(self._places) < MOST_PLACES:
                    place = self._places[name] = PlaceCount()
                if place is not None:
                    place.add(value)
        for place in self._places.values():
            place.settle()

    def found(self) -> Iterator[tuple[str, PlaceCount]]:
        """By name."""
        return iter(sorted(self._places.items()))

    def _fields(self, text: str) -> dict[str, Any]:
        """Metadata that is no JSON object has no places."""
        try:
            return self._decode(text)
        except (msgspec.MsgspecError, RecursionError):
            return {}


def _scalars(fields: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Texts, numbers and truth values, by their dotted places. Lists and nulls have none."""
    for key, value in fields.items():
        if isinstance(value, dict):
            if depth > 1:
                yield from _scalars(value, f"{prefix}{key}.", depth - 1)
        elif value is not None and not isinstance(value, list):
            yield f"{prefix}{key}", value
