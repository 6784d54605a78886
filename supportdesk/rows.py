"""Plain SQL for the few statements that every mail needs: making them anew each time costs more than running them.

Everything else goes through the ORM. A statement stands once, beside what it is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Field, Model

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


def add(row: Model, *, unless_there: bool = False) -> bool:
    """Stores a new row, all of whose values are set, and gives it its id.

    ``unless_there``: False, and nothing happens, where one with its key is there, from a parallel transaction too.
    """
    fields = [field for field in row._meta.concrete_fields if not field.primary_key]
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
    made_ids = fetch(_insert(type(row), unless_there=unless_there), values)
    if made_ids:
        row.pk, row._state.adding, row._state.db = made_ids[0][0], False, connection.alias
    return bool(made_ids)


def add_all(rows: Sequence[Model]) -> None:
    """Stores new rows of one model in one statement; where one with its key is there, nothing happens."""
    if rows:
        fields = [field for field in rows[0]._meta.concrete_fields if not field.primary_key]
        values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for row in rows for field in fields]
        change(_insert(type(rows[0]), unless_there=True, count=len(rows)), values)


def write(row: Model, names: Sequence[str]) -> None:
    """Stores the values of those fields."""
    fields = _fields(type(row), tuple(names))
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    change(_update(type(row), tuple(names)), [*values, row.pk])


@cache
def _converted(model: type[Model]) -> tuple[int, ...]:
    """The places of the fields that the database keeps in another form than Python."""
    fields = model._meta.concrete_fields
    return tuple(place for place, field in enumerate(fields) if field.get_db_converters(connection))


@cache
def _insert(model: type[Model], *, unless_there: bool, count: int = 1) -> str:
    names = [f'"{field.column}"' for field in model._meta.concrete_fields if not field.primary_key]
    conflict = "ON CONFLICT DO NOTHING" if unless_there else ""
    places = ", ".join([f"({', '.join(['%s'] * len(names))})"] * count)
    return f'INSERT INTO "{model._meta.db_table}" ({", ".join(names)}) VALUES {places} {conflict} RETURNING id'  # noqa: S608


@cache
def _fields(model: type[Model], names: tuple[str, ...]) -> list[Field[Any, Any]]:
    by_name = {field.name: field for field in model._meta.concrete_fields}
    return [by_name[name] for name in names]


@cache
def _update(model: type[Model], names: tuple[str, ...]) -> str:
    settings = ", ".join(f'"{field.column}" = %s' for field in _fields(model, names))
    return f'UPDATE "{model._meta.db_table}" SET {settings} WHERE id = %s'  # noqa: S608


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
