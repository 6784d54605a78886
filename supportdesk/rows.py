"""Plain SQL for the few statements that every mail asks: making them anew each time costs more than running them.

Everything else goes through the ORM. A statement stands once, beside what it is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

M = TypeVar("M", bound=Model)
Params = Sequence[Any] | Mapping[str, Any]


def columns(model: type[Model], table: str) -> str:
    """The columns of a model, in the order of its fields, of the table or alias ``table``."""
    return ", ".join(f'{table}."{field.column}"' for field in model._meta.concrete_fields)


def made(model: type[M], row: Sequence[Any]) -> M:
    """An instance of what ``columns`` asked for."""
    return model.from_db(connection.alias, [field.attname for field in model._meta.concrete_fields], row)


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
