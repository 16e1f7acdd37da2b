"""The queries of calls that take many things. An unknown name is refused."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from factory.looking.compare import Order
from factory.looking.rows import Query as RowQuery
from factory.looking.rows import parse_query
from factory.looking.sides import SideRef
from factory.service.names import MOST_NUMBER, REF

Ref = Annotated[str, Field(pattern=REF, description="NAME@v3, NAME@tag or NAME")]
Model = Annotated[str, Field(max_length=300)]


class RowsAsked(BaseModel):
    """A page of rows."""

    model_config = ConfigDict(extra="forbid")

    where: list[Annotated[str, Field(max_length=1000)]] = Field(
        default=[], max_length=16, description="COLUMN:OPERATOR:VALUE, several"
    )
    q: str = Field(default="", max_length=1000, description="words that some text holds")
    sort: str = Field(default="", max_length=200, description="a column of numbers; - before it for downwards")
    offset: int = Field(default=0, ge=0, le=MOST_NUMBER)
    limit: int = Field(default=20, ge=1, le=100)

    def query(self) -> RowQuery:
        """Raises DataError."""
        told = [("q", self.q), ("sort", self.sort)]
        numbers = [("offset", str(self.offset)), ("limit", str(self.limit))]
        wheres = [("where", each) for each in self.where]
        return parse_query([*wheres, *((name, value) for name, value in told if value), *numbers])


class Compared(BaseModel):
    """Two sides. `labels`: a version of labels whose scores are taken in place of the rows' own."""

    model_config = ConfigDict(extra="forbid")

    first: Ref
    second: Ref
    first_model: Model = ""
    second_model: Model = ""
    labels: Ref | None = None

    @property
    def sides(self) -> tuple[SideRef, SideRef]:
        return SideRef(self.first, self.first_model or None), SideRef(self.second, self.second_model or None)


class ComparedPairs(Compared):
    """Some of the shared prompts."""

    order: Order = "prompt"
    offset: int = Field(default=0, ge=0, le=MOST_NUMBER)
    limit: int = Field(default=10, ge=1, le=50)


class ComparePage(BaseModel):
    """What the page of comparisons is asked, as its form sends it: empty where nothing is named yet."""

    first: str = Field(default="", max_length=300)
    second: str = Field(default="", max_length=300)
    first_model: Model = ""
    second_model: Model = ""
    labels: str = Field(default="", max_length=300)
    order: Order = "differing"
    offset: int = Field(default=0, ge=0, le=MOST_NUMBER)


AskedRows = Annotated[RowsAsked, Query()]
AskedCompared = Annotated[Compared, Query()]
AskedPairs = Annotated[ComparedPairs, Query()]
AskedPage = Annotated[ComparePage, Query()]
