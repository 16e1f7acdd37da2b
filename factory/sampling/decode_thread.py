"""The one thread that owns a model. Requests queue here, and their rows share its batch."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from factory.sampling.errors import RunError, SamplingError

if TYPE_CHECKING:
    from factory.sampling.decode import Decoder, Limits, Row

T = TypeVar("T")


@dataclass(eq=False)
class Group:
    """The rows of one request, one at least. `done` gets them when the last has ended."""

    rows: list[Row]
    done: Future[list[Row]] = field(default_factory=Future)
    unfinished: int = 0

    def __post_init__(self) -> None:
        self.unfinished = len(self.rows)


@dataclass(frozen=True)
class Batch:
    """Groups that enter together, in order. `alone`: nothing else is there from their first step to their last."""

    groups: Sequence[Group]
    alone: bool


@dataclass(eq=False)
class Work:
    """Something else to do with the decoder, between two steps; `when_idle`: once its rows have ended."""

    do: Callable[[Decoder], Any]
    when_idle: bool
    done: Future[Any] = field(default_factory=Future)


class DecodeThread:
    """Runs a decoder until it is closed. A group whose future was cancelled is dropped at the next step."""

    def __init__(self, load: Callable[[], Decoder], limits: Limits) -> None:
        """`load` makes the decoder, in the thread that is to own it."""
        self._load = load
        self._limits = limits
        self._inbox: queue.SimpleQueue[Batch | Work | None] = queue.SimpleQueue()
        self._held: Batch | None = None  # taken from the inbox, and to be alone
        self._alone = False
        self._groups: dict[int, Group] = {}  # by id of each of their rows
        self._waiting: deque[Row] = deque()
        self._work: deque[Work] = deque()
        self._decoder: Decoder
        self._closing = False
        self._gate = threading.Lock()  # nothing goes into the inbox once there is a failure
        self._failure: RunError | None = None
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)
        self.ready: Future[Decoder] = Future()  # the decoder, to read its limits from

    def start(self) -> None:
        self._thread.start()

    def submit(self, *groups: Group, alone: bool = False) -> None:
        """Raises `RunError` when the thread has failed or ended."""
        self._put(Batch(groups, alone))

    def run(self, do: Callable[[Decoder], T], *, when_idle: bool = False) -> Future[T]:
        """The result of `do`. With `when_idle` no row begins before it is done. Raises as `submit`."""
        work = Work(do, when_idle)
        self._put(work)
        return work.done

    def close(self) -> None:
        """End the thread. Unfinished groups get a `RunError`."""
        self._closing = True
        self._inbox.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    def _put(self, item: Batch | Work) -> None:
        with self._gate:
            if self._failure is not None:
                raise RunError(self._failure.kind, self._failure.reason) from self._failure.__cause__
            self._inbox.put(item)

    def _run(self) -> None:
        import torch

        failure = RunError("closed", "the engine is closed")
        try:
            with torch.inference_mode():
                self._decoder = self._load()
                self.ready.set_result(self._decoder)
                while not self._closing:
                    self._turn()
        except SamplingError as err:
            failure = RunError(err.kind, err.reason)
        except Exception as err:  # noqa: BLE001 - it goes to everybody who waits for this thread
            failure = RunError("engine_failed", f"decoding failed: {type(err).__name__}: {err}")
            failure.__cause__ = err
        self._fail_all(failure)

    def _turn(self) -> None:
        self._receive()
        self._drop_cancelled()
        self._do_work()
        self._admit()
        if self._decoder.rows:
            for row in self._decoder.step():
                self._deliver(row)

    def _receive(self) -> None:
        """What has come, in its order. A batch that is to be alone waits for all before it, and all after it wait."""
        while not self._closing:
            idle = not self._decoder.rows and not self._waiting and not self._work
            self._alone = self._alone and not idle
            if self._alone or (not idle and self._held is None and self._inbox.empty()):
                return
            item = self._held or self._inbox.get()
            if isinstance(item, Work):
                self._work.append(item)
            elif item is not None:
                self._held = item if item.alone and not idle else None
                if self._held is not None:
                    return
                self._take(item)

    def _take(self, batch: Batch) -> None:
        self._alone = batch.alone
        for group in batch.groups:
            self._groups.update({id(row): group for row in group.rows})
            self._waiting.extend(group.rows)

    def _drop_cancelled(self) -> None:
        dropped = [row for row in (*self._decoder.rows, *self._waiting) if self._groups[id(row)].done.cancelled()]
        if not dropped:
            return
        gone = {id(row) for row in dropped}
        self._decoder.remove([row for row in self._decoder.rows if id(row) in gone])
        self._waiting = deque(row for row in self._waiting if id(row) not in gone)
        for row_id in gone:
            del self._groups[row_id]

    def _do_work(self) -> None:
        while self._work and not (self._work[0].when_idle and self._decoder.rows):
            work = self._work.popleft()
            if not work.done.set_running_or_notify_cancel():
                continue
            try:
                work.done.set_result(work.do(self._decoder))
            except Exception as err:  # noqa: BLE001 - it goes to whoever asked for this work
                work.done.set_exception(err)

    def _admit(self) -> None:
        """Let rows in by the eighth of a batch: reading prompts costs a forward pass, however few they are."""
        active, most = len(self._decoder.rows), self._limits.rows
        if not self._waiting or self._work or self._closing or (active and most - active < most // 8):
            return
        room = self._decoder.room_for(list(self._waiting))
        if room:
            self._decoder.admit([self._waiting.popleft() for _ in range(room)])

    def _deliver(self, row: Row) -> None:
        group = self._groups.pop(id(row))
        group.unfinished -= 1
        if not group.unfinished and group.done.set_running_or_notify_cancel():
            group.done.set_result(group.rows)

    def _fail_all(self, failure: RunError) -> None:
        with self._gate:
            self._failure = failure
        if not self.ready.done():
            self.ready.set_exception(failure)
        for future in self._unfinished():
            if future.set_running_or_notify_cancel():
                future.set_exception(RunError(failure.kind, failure.reason))
        self._groups.clear()

    def _unfinished(self) -> list[Future[Any]]:
        groups = {id(group): group for group in self._groups.values()}
        work = list(self._work)
        items: list[Batch | Work | None] = [self._held]
        while not self._inbox.empty():
            items.append(self._inbox.get())
        for item in items:
            if isinstance(item, Work):
                work.append(item)
            elif item is not None:
                groups.update({id(group): group for group in item.groups})
        return [*(group.done for group in groups.values()), *(one.done for one in work)]
