"""Rows of a JSONL file, one line in memory at a time. A file that is not what it claims to be is refused by line."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from pipelines.source_rows import SourceRow, empty_source
from schemas.errors import DataError

MAX_LINE_BYTES = 256 * 2**20
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_decoder = msgspec.json.Decoder()


def jsonl_rows(path: Path) -> Iterator[SourceRow]:
    """Every line that is not blank, as an object. Lone surrogates (`"\\ud800"`) are left in the strings.

    Raises:
        DataError: no such file, no rows, or a line that is not UTF-8, not JSON, or no object.
    """
    number = 0
    with open_file(path) as file:
        for line_number, line in _lines(file, path.name):
            where = f"{path.name}:{line_number}"
            if line.strip():
                number += 1
                yield SourceRow(where, number, _object(line, where))
    if number == 0:
        raise empty_source(path.name)


def open_file(path: Path) -> BinaryIO:
    """Raises DataError when the file is not there or cannot be read."""
    try:
        return path.open("rb")
    except OSError as err:
        raise DataError(f"{path}: cannot be read: {err.strerror}; check the path") from err


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise DataError(f"{name}:{number}: over {MAX_LINE_BYTES} bytes; JSONL has one object a line")
        if number == 1:
            line = _without_mark(line, name)
        yield number, line


def _without_mark(line: bytes, name: str) -> bytes:
    """The first line without a UTF-8 byte-order mark."""
    if line.startswith(_UTF16):
        raise DataError(f"{name}:1: the file is UTF-16; save it as UTF-8")
    if line.lstrip().startswith(b"["):
        raise DataError(f"{name}:1: a JSON array; JSONL has one object a line (jq -c '.[]' {name} makes it)")
    return line.removeprefix(codecs.BOM_UTF8)


def _object(line: bytes, where: str) -> dict[str, Any]:
    row = _json(line, where)
    if not isinstance(row, dict):
        raise DataError(f"{where}: a row must be a JSON object, this is {type(row).__name__}; one object a line")
    return row


def _json(line: bytes, where: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as err:
        problem = f"invalid UTF-8 at byte {err.start + 1} (0x{line[err.start]:02x})"
        raise DataError(f"{where}: {problem}; save the file as UTF-8") from err
    if (nul := line.find(b"\0")) >= 0:
        raise DataError(f"{where}: a NUL byte at byte {nul + 1}; the file is cut or is not text")
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError as err:
        return _with_surrogates(text, where, err)
    except RecursionError as err:
        raise DataError(f"{where}: JSON nested too deeply; remove the line") from err


def _with_surrogates(text: str, where: str, problem: Exception) -> Any:  # noqa: ANN401 - any JSON value
    """The strict decoder refuses lone surrogates, which cost a row, not the file."""
    invalid = DataError(f"{where}: invalid JSON: {problem}; correct or remove the line")
    if not _SURROGATE.search(text):
        raise invalid from problem
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError as err:
        raise invalid from err


def _no_constant(name: str) -> Any:  # noqa: ANN401 - never returns
    raise ValueError(f"{name} is not JSON")
