"""Tags: names for versions. A tag is one small JSON file that seals itself with a hash, as a manifest does."""

from __future__ import annotations

import re

import msgspec

from schemas.canonical import canonical_json, sha256_hex
from schemas.errors import CorruptError, NotFoundError
from schemas.folder import Folder

TAGS = "_tags"
LATEST = "latest"  # always the highest version, so never a tag
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PATH = re.compile(rf"{TAGS}/(.+)\.json")
_TAKEN = re.compile(r"latest|default|v[0-9]+")  # they name versions, or configs of the card, already


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    tag: str
    version: int
    manifest_sha256: str
    created_at: str  # UTC, ISO 8601
    sha256: str = ""  # of this tag with sha256 left empty

    def sealed(self) -> Tag:
        return msgspec.structs.replace(self, sha256=self.digest())

    def digest(self) -> str:
        return sha256_hex(canonical_json(msgspec.structs.replace(self, sha256="")))


def is_tag_name(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and not _TAKEN.fullmatch(name)


def tag_path(name: str) -> str:
    return f"{TAGS}/{name}.json"


def tag_names(folder: Folder) -> list[str]:
    """Names of all tags, sorted."""
    matches = map(_PATH.fullmatch, folder.list(TAGS))
    return [match[1] for match in matches if match and is_tag_name(match[1])]


def encode_tag(tag: Tag) -> bytes:
    return msgspec.json.format(canonical_json(tag), indent=2) + b"\n"


def read_tag(folder: Folder, name: str) -> Tag:
    """Raises NotFoundError (says which tags there are), and CorruptError when any byte was changed."""
    try:
        data = folder.read_bytes(tag_path(name))
    except FileNotFoundError as err:
        known = ", ".join(tag_names(folder)) or "none"
        raise NotFoundError(f"{folder.location}: no tag {name!r}; there are: {known}") from err
    return check_tag(data, name, folder.where(tag_path(name)))


def check_tag(data: bytes, name: str, where: str) -> Tag:
    """The tag in these bytes, if it is the one that was written as `name`. Raises CorruptError."""
    try:
        tag = msgspec.json.decode(data, type=Tag)
    except (msgspec.MsgspecError, UnicodeDecodeError) as err:
        raise CorruptError(f"{where}: not a tag ({err}); {SET_AGAIN}") from err
    if tag.tag != name or tag.sha256 != tag.digest() or encode_tag(tag) != data:
        raise CorruptError(f"{where}: the tag was changed after it was set; {SET_AGAIN}")
    return tag


SET_AGAIN = "set it again with `factory datasets tag`"
