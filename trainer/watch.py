"""What a run tells: its log, its progress bar, its tracker. On the first rank alone; elsewhere it is silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.metrics.log import FILE, Kind, MetricsLog, Value
from trainer.metrics.progress import Progress
from trainer.metrics.track import Tracked, Tracker, open_tracker, scalars
from trainer.options import Options
from trainer.recipe import identity
from trainer.world import World


class Watch:
    """Use with `with`. Whatever a process that was killed wrote of later steps than `start` is dropped."""

    def __init__(self, options: Options[Any], steps: int, start: int, world: World) -> None:
        self._log: MetricsLog | None = None
        if not world.is_first:
            return
        self._log = MetricsLog(options.run_folder / FILE)
        resumed_at = start if self._log.is_begun else None
        self._log.truncate_after(start if start else -1)  # a run that begins anew has said nothing yet
        self._progress = Progress(options.out.name, steps, start)
        self._tracker = _tracker(options, resumed_at)

    def __enter__(self) -> Watch:
        if self._log is not None:
            self._progress.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401
        if self._log is None:
            return
        self._progress.__exit__(*error)
        self._log.close()
        if self._tracker is not None:
            self._tracker.close()

    def step(self, done: int, values: dict[str, float]) -> None:
        self.write(done, values, "train")
        if self._log is not None:
            self._progress.step(done, values)

    def write(self, done: int, values: Mapping[str, Value], kind: Kind) -> None:
        if self._log is None:
            return
        self._log.write(done, values, kind)
        if self._tracker is not None:
            self._tracker.log(done, scalars(values))

    def sync(self) -> None:
        if self._log is not None:
            self._log.sync()


def _tracker(options: Options[Any], resumed_at: int | None) -> Tracker | None:
    name = options.recipe.run.track
    if name is None:
        return None
    settings = identity(options.recipe)
    return open_tracker(
        name, Tracked(name=options.out.name, folder=options.run_folder, settings=settings, resumed_at=resumed_at)
    )
