"""The two database roles: ``desk_owner`` makes tables, ``desk_app`` reads and writes in them.

What the application's role may do by default is settled before the first table exists. A migration that
makes an append-only table takes UPDATE and DELETE away from it again (D6), and a trigger refuses both
to everybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

APPLICATION = "desk_app"


@contextmanager
def as_owner(alias: str = "default") -> Iterator[None]:
    """Inside the block the connection ``alias`` signs in as the owner, to the same database."""
    connection = connections[alias]
    before = connection.settings_dict.copy()
    connection.close()
    connection.settings_dict.update(settings.DATABASE_OWNER | {"NAME": before["NAME"]})
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.clear()
        connection.settings_dict.update(before)


def let_application_in(connection: BaseDatabaseWrapper) -> None:
    """Grants the application's role its rights on every table and sequence that the owner makes from now on."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            ALTER DEFAULT PRIVILEGES IN SCHEMA public
                GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APPLICATION};
            ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {APPLICATION};
            """
        )


def append_only(table: str) -> tuple[str, str]:
    """SQL that makes ``table`` insert-only for every role, and the SQL that takes it back (D6).

    A row trigger refuses UPDATE and DELETE, a statement trigger TRUNCATE, which row triggers do not see.
    """
    forward = f"""
        CREATE FUNCTION {table}_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{table} is append-only: % refused', TG_OP USING ERRCODE = 'restrict_violation';
        END $$;
        CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION {table}_refuse_change();
        CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse_change();
        REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {APPLICATION};
    """
    backward = f"""
        DROP TRIGGER {table}_append_only ON {table};
        DROP TRIGGER {table}_no_truncate ON {table};
        DROP FUNCTION {table}_refuse_change();
        GRANT UPDATE, DELETE ON {table} TO {APPLICATION};
    """
    return forward, backward
