"""A checkpoint folder: which files make it what it is, and the hash that names its revision."""

from __future__ import annotations

import functools
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from factory.sampling.errors import RunError
from schemas.canonical import canonical_json, sha256_hex

CONFIG = "config.json"
WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
PICKLED_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.ckpt")
TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "*.tiktoken",
    "tekken.json",
)
TEMPLATES = ("chat_template.jinja", "chat_template.json")
# Whatever else changes the tokens that go in or the place where an answer ends.
SETTINGS = (
    CONFIG,
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
)


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that was found to hold a whole model."""

    folder: Path
    config: dict[str, Any]
    chat_template_sha256: str

    @property
    def context_length(self) -> int | None:
        """Tokens that the model can attend to, prompt and answer together; None where its config does not say."""
        length: int | None = self._of_text("max_position_embeddings")
        return length

    @property
    def dtype(self) -> str | None:
        """Of the saved weights: "float32", "bfloat16"; None where the config does not say."""
        dtype: str | None = self._of_text("dtype") or self._of_text("torch_dtype")
        return dtype

    def _of_text(self, name: str) -> Any:  # noqa: ANN401 - any JSON value
        """A model of text and images keeps what concerns the text apart."""
        text_config = self.config.get("text_config") or {}
        return text_config.get(name, self.config.get(name))


def open_checkpoint(folder: str | Path) -> Checkpoint:
    """Check that `folder` holds config, safetensors weights, tokenizer and chat template.

    Raises:
        RunError: something is missing or broken; the message says what to do.
    """
    path = Path(folder)
    if not path.is_dir():
        raise _bad(path, "there is no such folder; give the folder of a checkpoint (the one with config.json)")
    if _any(path, ("adapter_config.json",)) and not _any(path, (CONFIG,)):
        raise _bad(path, "it is an adapter without its base model; merge the adapter and save the merged model")
    if not _any(path, (CONFIG,)):
        raise _bad(path, f"no {CONFIG}; give the folder that `save_pretrained` wrote")
    config = _read_json(path / CONFIG)
    _check_weights(path)
    if not _any(path, TOKENIZERS):
        raise _bad(path, "no tokenizer files; save them there with tokenizer.save_pretrained(folder)")
    return Checkpoint(folder=path, config=config, chat_template_sha256=sha256_hex(canonical_json(_template(path))))


def checkpoint_revision(folder: str | Path) -> str:
    """sha256 over names and bytes of weights, config, tokenizer and template: equal models have equal revisions.

    Raises:
        RunError: the folder does not hold a whole checkpoint.
    """
    checkpoint = open_checkpoint(folder)
    files = _files(checkpoint.folder, (*WEIGHTS, *TOKENIZERS, *TEMPLATES, *SETTINGS))
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(_digest, files))
    return sha256_hex(canonical_json([[file.name, digest] for file, digest in zip(files, digests, strict=True)]))


def weights_in(checkpoint: Checkpoint) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type (as safetensors calls it: "F32", "BF16") and shape of each tensor, read from the files' headers."""
    found = {}
    for file in _files(checkpoint.folder, ("*.safetensors",)):
        for name, entry in _header(file)[1].items():
            found[name] = (str(entry["dtype"]), tuple(entry["shape"]))
    return found


def _check_weights(folder: Path) -> None:
    weights = _files(folder, ("*.safetensors",))
    if not weights:
        pickled = _files(folder, PICKLED_WEIGHTS)
        if pickled:
            advice = "which can run code when it is loaded; save it again with model.save_pretrained(folder)"
            raise _bad(folder, f"the only weights are {pickled[0].name}, a pickle, {advice}")
        raise _bad(folder, "no *.safetensors weights")
    for file in weights:
        _check_whole(file)
    for index in _files(folder, ("*.safetensors.index.json",)):
        missing = set(_read_json(index).get("weight_map", {}).values()) - {file.name for file in weights}
        if missing:
            raise _bad(folder, f"{index.name} names {min(missing)}, which is not there; copy the checkpoint again")


def _check_whole(file: Path) -> None:
    """A safetensors file says how long it is."""
    header_bytes, entries = _header(file)
    expected = 8 + header_bytes + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    size = file.stat().st_size
    if size != expected:
        raise _bad(file, f"it has {size} bytes where its header says {expected}; copy the checkpoint again")


def _header(file: Path) -> tuple[int, dict[str, Any]]:
    """Of a safetensors file: eight bytes of header length, the header, then the tensors that it names."""
    with file.open("rb") as stream:
        header_bytes = int.from_bytes(stream.read(8), "little")
        if header_bytes > file.stat().st_size - 8:
            raise _bad(file, "it is cut short or not a safetensors file; copy the checkpoint again")
        try:
            header = json.loads(stream.read(header_bytes))
        except ValueError as err:
            raise _bad(file, f"its header cannot be read ({err}); copy the checkpoint again") from err
    header.pop("__metadata__", None)
    return header_bytes, header


def _template(folder: Path) -> Any:  # noqa: ANN401 - a template, or several by name
    """The chat template's text, wherever it is kept."""
    jinja = folder / "chat_template.jinja"
    if jinja.is_file():
        return jinja.read_text(encoding="utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            template = _read_json(folder / name).get("chat_template")
            if template:
                return template
    raise _bad(folder, "no chat template; put one in chat_template.jinja (a base model has none of its own)")


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except ValueError as err:
        raise _bad(file, f"not valid JSON ({err}); copy the checkpoint again") from err
    if not isinstance(value, dict):
        raise _bad(file, "not a JSON object; copy the checkpoint again")
    return value


def _files(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted({file for pattern in patterns for file in folder.glob(pattern) if file.is_file()})


def _any(folder: Path, patterns: tuple[str, ...]) -> bool:
    return bool(_files(folder, patterns))


def _digest(file: Path) -> str:
    status = file.stat()
    return _digest_of(file.resolve(), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _digest_of(file: Path, size: int, mtime_ns: int) -> str:
    """Kept for the life of the process: a file is read again when its size or its time changed."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _bad(path: Path, reason: str) -> RunError:
    return RunError("bad_checkpoint", f"checkpoint {path}: {reason}")
