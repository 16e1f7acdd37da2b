"""What is in the columns of a version: a histogram of each, lengths, what is missing, what is there twice.

Found out once for a version, in one pass with flat memory, and kept on disk under the hash of its manifest.
"""

from __future__ import annotations

import time

import msgspec

from factory.looking.counting import Column, count_table
from factory.looking.distinct import Duplicates
from factory.looking.library import Library, Ref
from factory.looking.table import table_of
from factory.store.pass_rates import PassRates, pass_rates
from schemas.datasets import DatasetVersion
from schemas.errors import DataError

FORMAT = 1  # of what is kept


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """`columns`: those of the rows, then places in their metadata. `seconds`: it took to count."""

    sha256: str  # of the manifest
    rows: int
    columns: list[Column]
    duplicates: list[Duplicates]
    pass_rates: PassRates | None = None
    seconds: float


class State(msgspec.Struct, frozen=True, kw_only=True):
    """`statistics` once they are there; until then how far the counting is, or why there will be none."""

    statistics: Statistics | None
    rows_done: int
    rows: int
    problem: str | None = None


class Counting:
    """Statistics that are being made in the background."""

    def __init__(self) -> None:
        self.rows_done = 0
        self.problem: str | None = None


def statistics(library: Library, ref: Ref) -> Statistics:
    """Those that are kept, else found out now: about three seconds for 100,000 rows. Raises DataError and kin."""
    version = library.version(ref)
    return _known(library, version) or _count(library, version, Counting())


def statistics_state(library: Library, ref: Ref) -> State:
    """Never waits: what is kept, or else begins to count in a thread of the library's and says how far it is."""
    version = library.version(ref)
    rows = version.manifest.rows
    known = _known(library, version)
    if known is not None:
        return State(statistics=known, rows_done=rows, rows=rows)
    counting = library.begun(version.manifest.sha256, Counting, lambda one: _count_aside(library, version, one))
    return State(statistics=None, rows_done=counting.rows_done, rows=rows, problem=counting.problem)


def _known(library: Library, version: DatasetVersion) -> Statistics | None:
    """In memory, or on disk."""
    name = _name(version)
    return library.memory.find(name) or _remember(library, name, library.kept.read_json(name, Statistics))


def _remember(library: Library, name: str, found: Statistics | None) -> Statistics | None:
    if found is not None:
        library.memory.keep(name, found, 2000 + 4 * len(msgspec.json.encode(found)))
    return found


def _count(library: Library, version: DatasetVersion, counting: Counting) -> Statistics:
    started = time.monotonic()

    def on_rows(done: int) -> None:
        counting.rows_done = done

    counted = count_table(table_of(version), on_rows)
    found = Statistics(
        sha256=version.manifest.sha256,
        rows=version.manifest.rows,
        columns=counted.columns,
        duplicates=counted.duplicates,
        pass_rates=pass_rates(version),
        seconds=round(time.monotonic() - started, 2),
    )
    library.kept.write_json(_name(version), found)
    _remember(library, _name(version), found)
    return found


def _count_aside(library: Library, version: DatasetVersion, counting: Counting) -> None:
    """In the background nobody hears an error, so it is told with the state."""
    try:
        _count(library, version, counting)
        library.ended(version.manifest.sha256)
    except (DataError, OSError) as err:
        counting.problem = str(err)
    except BaseException as err:
        counting.problem = f"the columns could not be counted: {err!r}"
        raise


def _name(version: DatasetVersion) -> str:
    return f"statistics/{FORMAT}-{version.manifest.sha256}.json"
