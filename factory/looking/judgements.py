"""What versions of labels in the workspace say of an answer."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from factory.looking.answers import MOST_JUDGED, Judged, to_judged
from factory.looking.filters import Filter, make_check
from factory.looking.found import Found, find
from factory.looking.library import Library
from factory.looking.table import Table, open_table, read_row, read_rows, table_of
from schemas.datasets import DatasetVersion, versions
from schemas.records import Judgement

PREFIX = "labels:"  # of the path of a text in a row of labels: "labels:verdicts@v1/7.reason"
_PATH = re.compile(rf"{PREFIX}([^/]+)/([0-9]{{1,15}})\.(reason|raw)")
LATEST_VERSIONS = 5  # of each dataset of labels
NEAR = 256  # rows on either side of where an answer's labels stand if they come in the order of the answers
FRESH_S = 2.0  # for so long the list of labels is not looked up again
SECONDS = 0.2  # to search for them elsewhere


def judgements_on(
    library: Library, version: DatasetVersion, number: int, completion_id: str, characters: int
) -> list[Judged]:
    """Of all labels that were made of this version. Raises CorruptError."""
    found = []
    key = ("labels of", version.manifest.sha256, int(time.monotonic() / FRESH_S))
    for name, table in library.memory.get(key, lambda: [*_labels_of(library, version)], lambda _: 4000):
        share = number / max(1, version.manifest.rows)
        numbers = _near(library, table, completion_id, int(share * table.rows))
        for one in numbers or _anywhere(library, table, completion_id):
            row = read_row(library, table, one)
            assert isinstance(row, Judgement)
            found.append(to_judged(row, name, characters, f"{PREFIX}{name}/{one}."))
    return found[:MOST_JUDGED]


def text_of_label(library: Library, path: str) -> str | None:
    """The whole text that such a path names. Raises NotFoundError and kin."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    row = read_row(library, open_table(library, found[1]), int(found[2]))
    text: str | None = getattr(row, found[3]) if isinstance(row, Judgement) else None
    return text


def _labels_of(library: Library, version: DatasetVersion) -> Iterator[tuple[str, Table]]:
    """The newest labels of each dataset."""
    for name in library.names():
        folder = library.folder(name)
        for number in versions(folder)[: -LATEST_VERSIONS - 1 : -1]:
            manifest = library.manifest(folder, number)
            if manifest.kind != "labels":
                break
            if any(ref.sha256 == version.manifest.sha256 for ref in manifest.inputs):
                yield f"{name}@v{number}", table_of(DatasetVersion(folder, manifest, name))
                break


def _near(library: Library, table: Table, completion_id: str, middle: int) -> list[int]:
    span = range(max(0, middle - NEAR), min(table.rows, middle + NEAR))
    ids = [one for batch in read_rows(library, table, span, ["completion_id"]) for one in batch.column(0).to_pylist()]
    return [place for place, one in zip(span, ids, strict=True) if one == completion_id]


def _anywhere(library: Library, table: Table, completion_id: str) -> list[int]:
    check = make_check(Judgement, Filter("completion_id", "is", completion_id))
    key = (table.id, "completion_id", completion_id)
    found = find(library, key, Found(table, [check]), enough=table.rows, seconds=SECONDS, count=SECONDS)
    return found.rows(0, MOST_JUDGED)
