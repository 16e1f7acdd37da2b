"""What may stand in a path or a query of the service."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from factory.looking.table import Part

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
REF = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(@[A-Za-z0-9][A-Za-z0-9._-]{0,63})?$"
MOST_NUMBER = 2**53

DatasetName = Annotated[str, Path(pattern=_NAME)]
VersionName = Annotated[str, Path(pattern=_NAME, description="v3, a tag, or latest")]
RowNumber = Annotated[int, Path(ge=0, le=MOST_NUMBER)]
JobId = Annotated[str, Path(pattern="^[0-9a-z]{11}$")]
Offset = Annotated[int, Query(ge=0, le=MOST_NUMBER)]
TextPath = Annotated[str, Query(max_length=500)]

ROW_FIELDS = ("where", "q", "sort", "offset", "limit")
PARTS: dict[str, Part] = {"rows": "rows", "rejections": "rejections", "samples": "rows", "rejected": "rejections"}
PartName = Annotated[str, Path(pattern="^(rows|rejections)$")]
ShownPart = Annotated[str, Path(pattern="^(samples|rejected)$")]
