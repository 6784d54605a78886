"""Refunds reach the card once, whoever works at once, dies or comes too late (D4, D5)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from incidents.services import crediting
from incidents.services.crediting import AlreadyDetermined, settle_refund
from points.models import Lot, Refund
from points.payments import provider as provider_module
from points.payments import sending
from points.payments.facts import RefundFact
from points.payments.sending import LEASE
from points.refusals import AlreadyGivenBack
from points.services import credit_back
from supportdesk.demo.supervisor import ROOT
from tests.cast import Cast
from tests.incidents_helpers import at_once, key, opened, steps
from tests.payments.money import (
    again,
    at_provider,
    bought,
    incident_of,
    refunding,
    send,
)
from tests.points.ledger import checked
from tests.provider import TestProvider

pytestmark = pytest.mark.rule("D5")
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PENDING_CARD, FAILING_CARD = "4000000000007726", "4000000000005126"


@pytest.fixture
def refund(provider: TestProvider, cast: Cast, at: datetime) -> Refund:
    """EUR 80.00 of 240.00, decided and not sent."""
    return refunding(provider, cast, at=at)


def test_two_workers_at_once_send_one(provider: TestProvider, committed_cast: Cast, at: datetime):
    refund = refunding(provider, committed_cast, at=at)
    done = at_once(*[partial(send, at)] * 6)
    assert sum(done) == 1
    assert (again(refund).state, again(refund).tries, len(at_provider(provider))) == ("done", 1, 1)


def test_a_late_answer_of_a_worker_that_was_taken_for_dead_changes_nothing(
    provider: TestProvider, committed_cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    """It hangs past its lease, and another one is at it: what that one finds counts."""
    refund = refunding(provider, committed_cast, at=at)
    ask = provider_module.send_refund

    def freezes(asked: Refund) -> RefundFact:
        fact = ask(asked)
        assert sending._claim(at + LEASE) == refund
        return fact

    monkeypatch.setattr(provider_module, "send_refund", freezes)
    assert send(at) == 0
    under_way = again(refund)
    assert (under_way.state, under_way.fence, under_way.claimed_until) == ("pending", 2, at + 2 * LEASE)
    assert send(at + 2 * LEASE) == 1
    assert (again(refund).state, len(at_provider(provider))) == ("done", 1)
    assert steps(incident_of(refund)).count("refund_done") == 1


def test_a_late_failure_of_such_a_worker_changes_nothing_either(
    provider: TestProvider, committed_cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    refund = refunding(provider, committed_cast, at=at)
    ask = provider_module.send_refund

    def freezes(asked: Refund) -> RefundFact:
        monkeypatch.setattr(provider_module, "send_refund", ask)
        provider.next_refund("pending")
        assert send(at + LEASE) == 1
        raise provider_module.ProviderDown("too late")

    monkeypatch.setattr(provider_module, "send_refund", freezes)
    assert send(at) == 0
    assert (again(refund).state, again(refund).last_error) == ("sent", "")


def test_a_worker_that_dies_while_it_records_is_followed_by_another(
    provider: TestProvider, committed_cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    refund = refunding(provider, committed_cast, at=at)

    def dies(**given: Any) -> None:
        settle_refund(**given)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sending.send_due(now=lambda: at, settle=dies)
    assert (again(refund).state, steps(incident_of(refund)).count("refund_done")) == ("pending", 0)
    assert send(at + LEASE - SECOND) == 0
    assert send(at + LEASE) == 1
    assert (again(refund).state, len(at_provider(provider))) == ("done", 1)
    assert steps(incident_of(refund)).count("refund_done") == 1


WORKER = """
import sys
import django
django.setup()
from datetime import datetime
from incidents import paying
paying.send_refunds(now=lambda: datetime.fromisoformat(sys.argv[1]))
"""


def test_a_process_that_is_killed_in_mid_call_pays_once(
    provider: TestProvider, committed_cast: Cast, fresh_db: str, at: datetime
):
    refund = refunding(provider, committed_cast, at=at)
    provider.next_refund("hangs", seconds=20)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.killed_settings",
        "KILLED_DATABASE": fresh_db,
        "KILLED_API_BASE": provider.base,
    }
    worker = subprocess.Popen([sys.executable, "-c", WORKER, at.isoformat()], env=environment, cwd=ROOT)
    until = time.monotonic() + 30
    while not at_provider(provider):
        assert worker.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert (again(refund).state, again(refund).claimed_until) == ("pending", at + LEASE)
    assert send(at + LEASE) == 1
    assert (again(refund).state, len(at_provider(provider))) == ("done", 1)


# Points or money


@pytest.mark.rule("D4")
def test_points_by_one_admin_and_the_card_by_another_at_once_is_one_of_them(
    provider: TestProvider, committed_cast: Cast, at: datetime
):
    cast = committed_cast
    bought(provider, cast.owner, at=at)
    incident = opened(cast.owner, at=at, points=0)
    case = crediting.mark_bug(incident_id=incident.pk, reference="QM-1", user=cast.technician, at=at, key=key())
    charge_id = incident.charges.get().charge_id
    points = partial(credit_back, charge_id=charge_id, at=at, actor=cast.colleague, key=key(), reason="By hand")
    card = [
        partial(crediting.determine, case_id=case.pk, outcome="refunded", reason="", user=cast.admin, at=at, key=key())
        for _time in range(3)
    ]
    done = at_once(*card, points)
    won = [result for result in done if not isinstance(result, Exception)]
    assert len(won) == 1
    assert all(isinstance(lost, AlreadyDetermined | AlreadyGivenBack) for lost in done if isinstance(lost, Exception))
    send(at)
    credited = Lot.objects.filter(origin=Lot.Origin.CREDIT).count()
    assert credited + len(at_provider(provider)) == 1
    assert "nothing differs" in checked()
