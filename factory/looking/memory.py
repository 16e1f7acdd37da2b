"""What is kept in memory between two looks: each thing made once, the least recently used forgotten first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Memory:
    """Up to `limit` bytes, as their makers count them. Safe to use from many threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._things: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self.bytes = 0

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """What is kept under `key`, else what `make` gives. Of several threads that want one thing, one makes it."""
        with self._lock:
            if key in self._things:
                self._things.move_to_end(key)
                return cast(T, self._things[key][0])
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._things:
                    return cast(T, self._things[key][0])
            try:
                made = make()
                self.keep(key, made, size(made))
            finally:
                with self._lock:
                    self._making.pop(key, None)
            return made

    def find(self, key: Hashable) -> Any:  # noqa: ANN401 - whatever was kept
        """None when it is not there."""
        with self._lock:
            if key not in self._things:
                return None
            self._things.move_to_end(key)
            return self._things[key][0]

    def keep(self, key: Hashable, thing: object, size: int) -> None:
        """Also to say that a thing has grown. What alone is larger than the limit is not kept."""
        with self._lock:
            self._drop(key)
            if size > self._limit:
                return
            self._things[key] = (thing, size)
            self.bytes += size
            while self.bytes > self._limit:
                self._drop(next(iter(self._things)))

    def _drop(self, key: Hashable) -> None:
        _, size = self._things.pop(key, (None, 0))
        self.bytes -= size
