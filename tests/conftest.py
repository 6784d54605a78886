"""What every test may use: the databases, the cast, the clock."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg2
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from points.setting import AGES, set_tolerance
from supportdesk import clock
from tests.cast import Cast, make_cast
from tests.provider import provider as provider
from tests.provider import provider_server as provider_server

DROP_SECONDS = 20
_copies = itertools.count(1)


def _owner_sql(*statements: str) -> None:
    """Runs statements as the owner's role, outside any transaction (CREATE DATABASE wants that)."""
    owner = settings.DATABASE_OWNER
    connection = psycopg2.connect(
        dbname="postgres",
        user=owner["USER"],
        password=owner["PASSWORD"] or None,
        host=owner["HOST"] or owner.get("OPTIONS", {}).get("host"),
        port=owner["PORT"] or None,
    )
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


def _drop(name: str) -> None:
    """Drops a database once its last connection is gone: a thread's may take a moment to end."""
    until = time.monotonic() + DROP_SECONDS
    while True:
        try:
            return _owner_sql(f"DROP DATABASE IF EXISTS {name}")
        except psycopg2.errors.ObjectInUse:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def _make(name: str, *, template: str = "template1") -> None:
    _drop(name)
    _owner_sql(f"CREATE DATABASE {name} TEMPLATE {template}")


def _point_at(name: str) -> None:
    connections["default"].close()
    connections.settings["default"]["NAME"] = name
    connections["default"].settings_dict["NAME"] = name


@pytest.fixture(scope="session")
def template_database(request: pytest.FixtureRequest, django_db_blocker) -> Iterator[str]:
    """A migrated database, made by the owner's role, that tests take copies of: no test writes into it."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "gw")
    name = f"desk_template_{worker}"
    with django_db_blocker.unblock():
        _make(name)
        _point_at(name)
        call_command("migrate", verbosity=0, interactive=False)
        # Tests stand the clock at instants of their own; those of the tolerance itself set it back (D40).
        set_tolerance(AGES)
        connections["default"].close()
    yield name
    _drop(name)


@pytest.fixture(scope="session")
def django_db_setup(template_database: str, django_db_blocker) -> Iterator[None]:
    """The database of the tests that roll back: the application's role, on a copy of the template."""
    name = template_database.replace("template", "test")
    _make(name, template=template_database)
    with django_db_blocker.unblock():
        _point_at(name)
    yield
    with django_db_blocker.unblock():
        connections["default"].close()
    _drop(name)


@pytest.fixture
def fresh_db(django_db_setup: None, template_database: str, django_db_blocker) -> Iterator[str]:
    """A database of its own for a test that commits, uses threads or other processes; gives its name.

    Django's own way, a flush by TRUNCATE, is what the ledger refuses (D6).
    """
    before = connections.settings["default"]["NAME"]
    name = f"{template_database}_{next(_copies)}"
    _make(name, template=template_database)
    with django_db_blocker.unblock():
        _point_at(name)
        yield name
        _point_at(before)
    _drop(name)


@pytest.fixture
def cast(db: None) -> Cast:
    """The fixed cast: owner, restricted colleague, other customer, technician, admin."""
    return make_cast()


@pytest.fixture
def committed_cast(fresh_db: str) -> Cast:
    """The same cast in a database of its own."""
    return make_cast()


@pytest.fixture
def at() -> datetime:
    """A quiet moment in New York, a Tuesday at 10:00, on a clock that stands still there for the test."""
    return datetime(2026, 12, 1, 15, 0, tzinfo=UTC)


@pytest.fixture
def clock_at(at: datetime) -> Iterator[datetime]:
    """Sets the one clock to ``at`` (D40)."""
    with clock.set_to(at):
        yield at
