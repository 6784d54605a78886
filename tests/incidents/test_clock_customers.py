"""Clocks from before closures of single customers learn whose they are."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.management import call_command

from incidents.replanning import replan_due
from sla.closing import add_closure
from sla.closures import Reach, Rule
from sla.models import ResponseClock
from supportdesk.roles import as_owner
from tests.cast import Cast
from tests.incidents_helpers import answered, key, opened

pytestmark = pytest.mark.rule("D23")


def test_running_clocks_get_their_customer_and_its_closures(committed_cast: Cast, at: datetime):
    running, ended = opened(committed_cast.owner, at=at), opened(committed_cast.owner, at=at)
    answered(ended, committed_cast.technician, at=at + timedelta(hours=1))
    ResponseClock.objects.update(customer=None)
    day = at.date()
    rule = Rule(day, day, "Inventory", reach=Reach(customer_id=committed_cast.acme.pk))
    add_closure(rule=rule, by=None, at=at, key=key())
    assert replan_due(at=at) == 0
    with as_owner():
        call_command("migrate", "incidents", "0005_deadline_moved", verbosity=0)
        call_command("migrate", verbosity=0)
    clocks = {link.incident_id: link.clock for one in (running, ended) for link in one.clocks.select_related("clock")}
    assert clocks[running.pk].customer_id == committed_cast.acme.pk
    assert clocks[ended.pk].customer_id is None
    assert replan_due(at=at) == 1
    assert running.clocks.get().clock.due_at == at + timedelta(days=1, hours=3)
