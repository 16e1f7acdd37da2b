"""Give a version a name, or move the name to another version."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from schemas.card import write_card
from schemas.datasets import open_version
from schemas.errors import CorruptError, DataError, NotFoundError
from schemas.folder import Folder
from schemas.locks import commits_allowed
from schemas.tags import Tag, encode_tag, is_tag_name, read_tag, tag_path


def tag_version(ref: str, name: str, workspace: Path) -> tuple[Tag, int | None]:
    """Set the tag; returns it, and the version that it named before, if any.

    Raises:
        DataError: not a name for a tag.
        NotFoundError: no such version.
    """
    if not is_tag_name(name):
        raise DataError(
            f"{name!r} cannot be a tag: write up to 64 letters, digits, '.', '_' or '-', "
            "and not latest, default, v1, v2, ... which mean versions already"
        )
    opened = open_version(ref, workspace)
    before = _version_before(opened.folder, name)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = opened.manifest
    tag = Tag(tag=name, version=manifest.version, manifest_sha256=manifest.sha256, created_at=now).sealed()
    with commits_allowed(opened.folder):
        opened.folder.replace(tag_path(name), encode_tag(tag))
        write_card(opened.folder)
    return tag, before


def _version_before(folder: Folder, name: str) -> int | None:
    """A damaged tag counts as none: setting it again is how it is repaired."""
    try:
        return read_tag(folder, name).version
    except (NotFoundError, CorruptError):
        return None
