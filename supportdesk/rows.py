"""Plain SQL for the few questions that every mail asks: making them anew each time costs more than running them.

Everything else goes through the ORM, what is written above all. A statement stands once, beside what it is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

M = TypeVar("M", bound=Model)
Params = Sequence[Any] | Mapping[str, Any]


def columns(model: type[Model], table: str) -> str:
    """The columns of a model, in the order of its fields, of the table or alias ``table``."""
    return ", ".join(f'{table}."{field.column}"' for field in model._meta.concrete_fields)


def made(model: type[M], row: Sequence[Any]) -> M:
    """An instance of what ``columns`` asked for, its values as the ORM gives them: a list, and not its JSON."""
    fields = model._meta.concrete_fields
    values = list(row)
    for place in _converted(model):
        field = fields[place]
        for convert in field.get_db_converters(connection):
            values[place] = convert(values[place], field.cached_col, connection)
    return model.from_db(connection.alias, [field.attname for field in fields], values)


@cache
def _converted(model: type[Model]) -> tuple[int, ...]:
    """The places of the fields that the database keeps in another form than Python."""
    fields = model._meta.concrete_fields
    return tuple(place for place, field in enumerate(fields) if field.get_db_converters(connection))


def fetch(sql: str, params: Params) -> list[tuple[Any, ...]]:
    """The rows of a question."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def change(sql: str, params: Params) -> int:
    """How many rows a statement changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)
