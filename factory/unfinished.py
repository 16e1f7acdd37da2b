"""Unfinished builds that stand in the way of another."""

from __future__ import annotations

import sys
from typing import Any

from factory.units import BuildRecord, UnitStore, unfinished_builds
from schemas.errors import ConflictError
from schemas.folder import Folder
from schemas.recipes import differences

COME_AND_GO = ("data", "inputs", "appends_to")  # from one build to the next, of those that append


def check_unfinished(folder: Folder, identity: BuildRecord, *, abandon: bool, new_only: bool) -> None:
    """Refuse to start beside an unfinished build of another recipe: most likely a key was changed by mistake.

    Args:
        abandon: drop it.
        new_only: drop it if nothing differs but what is read and appended to: that is not the same from day to day.

    Raises:
        ConflictError: with the keys that differ.
    """
    for other in unfinished_builds(folder):
        store = UnitStore(folder, other.build_id)
        if other.build_id == identity.build_id or other.kind != identity.kind or store.is_running() is not False:
            continue
        before, now = _comparable(other), _comparable(identity)
        if abandon or (new_only and not differences(_lasting(before), _lasting(now))):
            print(f"{folder.location}: dropped an unfinished build; its answers are in the ledger", file=sys.stderr)
            store.remove()
            continue
        raise ConflictError(
            f"{folder.location}: an unfinished build is here whose recipe differs: "
            f"{'; '.join(differences(before, now))}. "
            "Run it as it was to finish it, or give --abandon (answers already paid for stay in the ledger)"
        )


def _comparable(record: BuildRecord) -> dict[str, Any]:
    models = {f"model {place}": [model.model, model.revision] for place, model in enumerate(record.models)}
    inputs = {one.name: one.sha256 for one in record.inputs}
    return {**record.recipe, "inputs": inputs, "appends_to": record.appends_to, **models}


def _lasting(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in COME_AND_GO}
