"""Answers as JSON, straight from the structs."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Response


def answer(value: Any, status: int = 200) -> Response:  # noqa: ANN401 - what msgspec can encode
    return Response(msgspec.json.encode(value), status, media_type="application/json")
