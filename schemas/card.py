"""The dataset's card, README.md: what is in it, and the `configs:` by which `datasets.load_dataset(folder)` finds it.

The card is derived from the manifests and tags alone, so it can always be made again, and any other text is wrong.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

from schemas.datasets import check_manifest, manifest_path, versions
from schemas.errors import CorruptError
from schemas.folder import Folder
from schemas.manifest import InputRef, Manifest, ModelRef, Shard
from schemas.shards import columns_of
from schemas.tags import SET_AGAIN, Tag, read_tag, tag_names, tag_path
from schemas.visible import visible

CARD = "README.md"
VERSIONS_LISTED = 50  # newest; older ones load by their number with this project's own reader, or by a tag
ROUNDS = 1000


@dataclass(frozen=True, slots=True)
class CardState:
    """What a card is made from: the newest versions, ascending, and all tags with their versions."""

    versions: list[Manifest]
    tags: list[tuple[Tag, Manifest]]


@dataclass(frozen=True, slots=True)
class Outline:
    """The numbers of all versions, and all tags. Versions never change, so an equal outline means an equal card."""

    numbers: list[int]
    tags: list[Tag]


def write_card(folder: Folder) -> None:
    """Write the card of what is committed now.

    Several processes may do this at once: each looks again after it wrote, so the last to write has seen everything.

    Raises:
        CorruptError: a manifest or a tag is damaged.
    """
    outline = _outline(folder)
    for _ in range(ROUNDS):
        folder.replace(CARD, render_card(_state(folder, outline)).encode())
        written, outline = outline, _outline(folder)
        if outline == written:
            return


def read_state(folder: Folder) -> CardState:
    """Raises CorruptError when a manifest or a tag is damaged."""
    return _state(folder, _outline(folder))


def _outline(folder: Folder) -> Outline:
    tags = [read_tag(folder, name) for name in tag_names(folder)]
    outline = Outline(versions(folder), tags)  # looked for after the tags: a new tag may name a version as new
    for tag in outline.tags:
        if tag.version not in outline.numbers:
            where = folder.where(tag_path(tag.tag))
            raise CorruptError(f"{where}: names v{tag.version}, which is not here; {SET_AGAIN}")
    return outline


def _state(folder: Folder, outline: Outline) -> CardState:
    listed = outline.numbers[-VERSIONS_LISTED:]
    manifests = _read_manifests(folder, {*listed, *(tag.version for tag in outline.tags)})
    return CardState([manifests[number] for number in listed], [(tag, manifests[tag.version]) for tag in outline.tags])


def _read_manifests(folder: Folder, wanted: set[int]) -> dict[int, Manifest]:
    paths = {number: manifest_path(number) for number in sorted(wanted)}
    bodies = folder.read_many([*paths.values()])
    return {
        number: check_manifest(data, number, folder.where(path))
        for (number, path), data in zip(paths.items(), bodies, strict=True)
    }


def render_card(state: CardState) -> str:
    """The card's whole text; the same state gives the same text."""
    return f"---\n{_front_matter(state)}---\n\n{_body(state)}"


def _front_matter(state: CardState) -> str:
    import yaml  # type: ignore[import-untyped]  # comes with `datasets`; it escapes what models and recipes may say

    latest = state.versions[-1]
    licences = [visible(name.lower()) for name in latest.licences] or ["unknown"]
    head: dict[str, Any] = {"pretty_name": latest.name, "license": licences}
    configs = [_config("default", latest) | {"default": True}]
    configs += [_config(tag.tag, manifest) for tag, manifest in state.tags]
    configs += [_config(f"v{manifest.version}", manifest) for manifest in reversed(state.versions)]
    return str(yaml.safe_dump(head | {"configs": configs}, sort_keys=False, width=1000))


def _config(name: str, manifest: Manifest) -> dict[str, Any]:
    return {"config_name": name, "data_files": [{"split": "train", "path": [shard.path for shard in manifest.shards]}]}


def _body(state: CardState) -> str:
    latest = state.versions[-1]
    sections = [
        f"# {_text(latest.name)}",
        f"Version {latest.version}, {latest.rows:,} rows of `{latest.kind}`, {_bytes(latest.shards):,} bytes, "
        f"made {_text(latest.created_at)}. Licences: {_listed(latest.licences)}. "
        "This file is generated from `_manifests/`; do not edit it.",
        _LOADING,
        "## Columns",
        _table(["column", "type"], [[_text(name), _text(kind)] for name, kind in columns_of(latest).items()]),
        "## Where it comes from",
        *_origins(latest),
        "## Versions",
        _table(
            ["version", "rows", "rejected", "made", "tags"], [_version_row(m, state) for m in reversed(state.versions)]
        ),
    ]
    return "\n\n".join(sections) + "\n"


_LOADING = """## How to load it

```python
datasets.load_dataset("path/of/this/folder")                # the latest version; name="v1" or a tag for another
polars.scan_parquet("path/of/this/folder/data/*.parquet")   # all shards of all versions
pyarrow.dataset.dataset("path/of/this/folder/data")         # the same; the manifest lists the shards of each version
```"""


def _origins(manifest: Manifest) -> list[str]:
    inputs = [_input_row(ref) for ref in manifest.inputs]
    models = [_model_row(model) for model in manifest.models]
    return [
        _table(["input", "version", "sha256"], inputs) if inputs else "No inputs.",
        _table(["role", "model", "revision", "engine"], models) if models else "No models.",
        f"Recipe {_text(manifest.recipe_sha256[:20])}, in full in `{manifest_path(manifest.version)}`.",
    ]


def _input_row(ref: InputRef) -> list[str]:
    return [_text(ref.name), f"v{ref.version}" if ref.version else "file", _text(ref.sha256[:20])]


def _model_row(model: ModelRef) -> list[str]:
    engine = f"{model.engine} {model.engine_version}"
    return [_text(model.role), _text(model.model), _text(model.revision), _text(engine)]


def _version_row(manifest: Manifest, state: CardState) -> list[str]:
    names = [tag.tag for tag, tagged in state.tags if tagged.version == manifest.version]
    rejected = sum(shard.rows for shard in manifest.rejections)
    return [f"v{manifest.version}", f"{manifest.rows:,}", f"{rejected:,}", _text(manifest.created_at), ", ".join(names)]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _listed(words: list[str]) -> str:
    return ", ".join(map(_text, words)) or "none stated"


def _bytes(shards: list[Shard]) -> int:
    return sum(shard.bytes for shard in shards)


def _text(value: str) -> str:
    """Foreign text as plain text in Markdown: no markup, no line breaks, no control characters."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", html.escape(visible(value), quote=False))
