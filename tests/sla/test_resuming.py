"""A clock whose end is taken back runs on, as if it had not ended (D12, D36)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sla import services
from sla.closing import add_closure
from sla.closures import Reach, Rule
from sla.models import Outcome, ResponseClock
from tests.cast import Cast
from tests.incidents_helpers import key
from tests.sla.test_clocks import BERLIN, NEW_YORK, fresh, local, started

pytestmark = [pytest.mark.django_db, pytest.mark.rule("D36", "D12")]


def ended(outcome: Outcome = Outcome.DECLINED, *, at: str = "2026-12-01T11:00") -> ResponseClock:
    return services.end_clock(clock_id=started().pk, at=local(at), outcome=outcome)


@pytest.mark.parametrize("outcome", [Outcome.WITHDRAWN, Outcome.DECLINED, Outcome.MERGED])
def test_it_runs_with_its_own_deadline(outcome: Outcome):
    clock = ended(outcome)
    resumed = services.resume_clock(clock_id=clock.pk, place=NEW_YORK)
    now = fresh(clock)
    assert not resumed.moved
    assert (now.outcome, now.ended_at, now.started_at) == (Outcome.RUNNING, None, local("2026-12-01T10:00"))
    assert now.due_at == local("2026-12-01T14:00")
    services.answer_clock(clock_id=clock.pk, at=local("2026-12-01T14:00"))
    assert fresh(clock).outcome == Outcome.MET


def test_what_ended_unanswered_and_late_runs_on_late():
    clock = ended(at="2026-12-01T14:00:00.000001")
    assert fresh(clock).outcome == Outcome.BREACHED
    services.resume_clock(clock_id=clock.pk, place=NEW_YORK)
    assert fresh(clock).outcome == Outcome.RUNNING
    assert fresh(clock).is_late(local("2026-12-01T15:00"))


def test_warnings_and_an_announced_breach_stay():
    clock = started()
    assert services.mark_warned(clock_id=clock.pk, threshold="last", at=local("2026-12-01T13:50"))
    assert services.mark_announced(clock_id=clock.pk, at=local("2026-12-01T14:30"))
    services.end_clock(clock_id=clock.pk, at=local("2026-12-01T14:40"), outcome=Outcome.DECLINED)
    services.resume_clock(clock_id=clock.pk, place=NEW_YORK)
    now = fresh(clock)
    assert (now.warned_last_at, now.breach_announced_at) == (local("2026-12-01T13:50"), local("2026-12-01T14:30"))
    assert not services.mark_announced(clock_id=clock.pk, at=local("2026-12-01T15:00"))


@pytest.mark.parametrize("answered_at", ["2026-12-01T12:00", "2026-12-01T16:00"])
def test_an_answered_clock_stays_answered(answered_at: str):
    clock = services.answer_clock(clock_id=started().pk, at=local(answered_at))
    before = ResponseClock.objects.filter(pk=clock.pk).values().get()
    assert not services.resume_clock(clock_id=clock.pk, place=BERLIN).moved
    assert ResponseClock.objects.filter(pk=clock.pk).values().get() == before


def test_a_running_clock_is_not_touched():
    clock = started()
    services.resume_clock(clock_id=clock.pk, place=BERLIN)
    assert fresh(clock).place == NEW_YORK


@pytest.mark.rule("D23")
def test_the_calendars_and_the_place_of_now_count(cast: Cast, at: datetime):
    clock = ended()
    day = at.date()
    add_closure(rule=Rule(day, day, "Snow", reach=Reach(country="US")), by=cast.admin, at=at, key=key())
    resumed = services.resume_clock(clock_id=clock.pk, place=NEW_YORK)
    assert (resumed.old_due_at, resumed.new_due_at) == (local("2026-12-01T14:00"), local("2026-12-02T13:00"))
    services.end_clock(clock_id=clock.pk, at=at + timedelta(hours=1), outcome=Outcome.WITHDRAWN)
    assert services.resume_clock(clock_id=clock.pk, place=BERLIN).clock.place == BERLIN
