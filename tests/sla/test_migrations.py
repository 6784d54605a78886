"""The tables of closures and calendars go and come back (D23)."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from sla.models import CalendarState
from supportdesk.roles import as_owner

pytestmark = [pytest.mark.rule("D23"), pytest.mark.usefixtures("fresh_db")]


def test_the_migrations_can_be_taken_back():
    with as_owner():
        call_command("migrate", "sla", "0001_initial", verbosity=0)
        assert "sla_closure" not in connection.introspection.table_names()
        call_command("migrate", verbosity=0)
    assert CalendarState.objects.get().number == 1


def test_the_installed_packages_are_adopted_once():
    out = StringIO()
    call_command("adopt_libraries", stdout=out)
    call_command("adopt_libraries", "--older", stdout=out)
    first, second = out.getvalue().splitlines()
    assert first.startswith("Adopted holidays ")
    assert second.startswith("Nothing to adopt.")
