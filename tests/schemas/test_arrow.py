"""The Arrow schemas say what the records say. Derived here from the type hints alone."""

from __future__ import annotations

import types
from typing import Literal, get_args, get_origin, get_type_hints

import pyarrow as pa
import pytest

from schemas.arrow import ARROW_SCHEMAS, RECORD_KINDS
from schemas.records import Message, Record
from tests.schemas.rows import MAKERS


def expected_type(hint: object) -> set[pa.DataType]:
    """The Arrow types that may hold a value of this hint."""
    if get_origin(hint) is Literal:
        return {pa.string()}
    if get_origin(hint) is list:
        (item,) = get_args(hint)
        return {pa.list_(pa.field("element", kind, nullable=False)) for kind in expected_item(item)}
    return {str: {pa.string()}, int: {pa.int32(), pa.int64()}, float: {pa.float64()}}[hint]


def expected_item(hint: object) -> set[pa.DataType]:
    if hint is Message:
        return {pa.struct(expected_fields(Message))}
    return {int: {pa.int32()}, float: {pa.float32()}}[hint]


def without_none(hint: object) -> tuple[object, bool]:
    if get_origin(hint) is not types.UnionType:
        return hint, False
    (kind,) = [part for part in get_args(hint) if part is not type(None)]
    return kind, True


def expected_fields(struct: type) -> list[pa.Field]:
    fields = []
    for name, hint in get_type_hints(struct).items():
        kind, may_be_null = without_none(hint)
        (only,) = expected_type(kind)
        fields.append(pa.field(name, only, nullable=may_be_null))
    return fields


@pytest.mark.parametrize("record", ARROW_SCHEMAS, ids=lambda record: record.__name__)
def test_a_schema_has_the_fields_of_its_record(record):
    schema, hints = ARROW_SCHEMAS[record], get_type_hints(record)
    assert schema.names == list(record.__struct_fields__) == list(hints)
    for field in schema:
        kind, may_be_null = without_none(hints[field.name])
        assert field.nullable == may_be_null, field
        assert field.type in expected_type(kind), field


def test_every_record_has_a_schema_and_a_sample():
    records = set(get_args(Record))
    assert set(ARROW_SCHEMAS) == records == set(MAKERS)
    assert set(RECORD_KINDS.values()) < records


def test_seeds_need_64_bits():
    for record in ARROW_SCHEMAS:
        if "seed" in record.__struct_fields__:
            assert ARROW_SCHEMAS[record].field("seed").type == pa.int64()
