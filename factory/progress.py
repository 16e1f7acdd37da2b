"""What a person sees while a build runs: a bar on a terminal, a plain line now and then elsewhere. Always on stderr.

Other processes read the same figures where FACTORY_PROGRESS says (`factory.progress_log`).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from factory.budget import Budget
from factory.progress_log import EVERY_S, ModelProgress, ProgressLine, ProgressLog, open_log
from factory.sampling.types import Sampler
from factory.units import UnitRecord
from pipelines.rows import RowResult

LINE_EVERY_S = 10.0
RATE_LINES = 6  # of the log: rates are over the time that so many span


class Progress:
    """Counts rows of one run. Use with `with`, inside an event loop."""

    def __init__(self, name: str, what: str, rows: int, samplers: Sequence[Sampler], budget: Budget) -> None:
        self.done = self.kept = self.rejected = 0
        self._name, self._what, self._rows = name, what, rows
        self._samplers, self._budget = samplers, budget
        self._started = self._last_line = time.monotonic()
        self._resumed = 0
        self._ticking = Ticking(self, log) if (log := open_log()) is not None else None
        console = Console(stderr=True)
        self._bar: Bar | None = None
        if console.is_terminal:
            columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))
            self._bar = Bar(TextColumn(name), *columns, console=console)
            self._task = self._bar.add_task(name, total=rows, note="")

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        if self._ticking is not None:
            self._ticking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ticking is not None:
            self._ticking.stop()
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, note=self._note())
            self._bar.stop()
        else:
            self._line()

    def restart(self) -> None:
        """The clock, when something else took its time before the first row."""
        self._started = self._last_line = time.monotonic()

    def resumed(self, record: UnitRecord) -> None:
        """A unit that an earlier run finished."""
        self.done += record.stop - record.start
        self._resumed += record.stop - record.start
        self.kept += sum(shard.rows for shard in record.shards)
        self.rejected += sum(shard.rows for shard in record.rejections)

    def row(self, result: RowResult) -> None:
        self.done += result.n_inputs
        self.kept += len(result.rows)
        self.rejected += len(result.rejections)
        now = time.monotonic()
        if self._bar is not None:
            if now - self._last_line > 0.1:
                self._last_line = now
                self._bar.update(self._task, completed=self.done, note=self._note())
        elif now - self._last_line > LINE_EVERY_S:
            self._last_line = now
            self._line()

    def _line(self) -> None:
        print(f"{self._name}: {self.done}/{self._rows} {self._what}, {self._note()}", file=sys.stderr, flush=True)

    @property
    def fresh(self) -> int:
        """Rows of the input that this run finished itself."""
        return self.done - self._resumed

    def _rate(self) -> float:
        """Of fresh rows a second."""
        return self.fresh / max(time.monotonic() - self._started, 1e-9)

    def _note(self) -> str:
        rate = self._rate()
        parts = [f"{self.kept} rows, {self.rejected} rejected, {rate:.1f} {self._what}/s"]
        if flying := sum(sampler.stats.in_flight for sampler in self._samplers):
            parts.append(f"{flying} in flight")
        if refused := sum(sampler.stats.refused for sampler in self._samplers):
            parts.append(f"{refused} refused")
        if self._budget.spent or self._budget.limit is not None:
            limit = "" if self._budget.limit is None else f" of ${self._budget.limit:.2f}"
            parts.append(f"${self._budget.spent:.4f}{limit}")
        return ", ".join(parts)

    def now(self) -> ProgressLine:
        """All but the rates, which take two looks."""
        rate, budget = self._rate(), self._budget
        return ProgressLine(
            time=time.time(),
            name=self._name,
            what=self._what,
            rows=self._rows,
            done=self.done,
            kept=self.kept,
            rejected=self.rejected,
            prompt_tokens=budget.prompt_tokens,
            completion_tokens=budget.completion_tokens,
            in_flight=sum(sampler.stats.in_flight for sampler in self._samplers),
            models=[_of_model(sampler) for sampler in self._samplers],
            spent_usd=budget.spent if budget.is_known else None,
            budget_usd=budget.limit,
            eta_s=(self._rows - self.done) / rate if rate > 0 else None,
        )


def _of_model(sampler: Sampler) -> ModelProgress:
    stats = sampler.stats
    return ModelProgress(
        model=sampler.model.model,
        engine=sampler.model.engine,
        in_flight=stats.in_flight,
        limit=stats.limit,
        requests=stats.requests,
        answered=stats.answered,
        refused=stats.refused,
        retried=dict(stats.retried),
    )


class Ticking:
    """Writes a line to the log every `EVERY_S`, also while no row is finished, and one at the end."""

    def __init__(self, progress: Progress, log: ProgressLog) -> None:
        self._progress, self._log = progress, log
        self._before: deque[tuple[float, int, ProgressLine]] = deque(maxlen=RATE_LINES)  # when, fresh rows, line
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._write()
        self._next = asyncio.get_running_loop().call_later(EVERY_S, self.start)

    def stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
        self._write()
        self._log.close()

    def _write(self) -> None:
        now, fresh, line = time.monotonic(), self._progress.fresh, self._progress.now()
        self._before.append((now, fresh, line))
        since, fresh_before, before = self._before[0]
        seconds = max(now - since, 1e-9)
        self._log.write(
            msgspec.structs.replace(
                line,
                rows_per_s=(fresh - fresh_before) / seconds,
                prompt_tokens_per_s=(line.prompt_tokens - before.prompt_tokens) / seconds,
                completion_tokens_per_s=(line.completion_tokens - before.completion_tokens) / seconds,
            )
        )
