"""Response clocks in the database (R6, D12, D13, D15, D23, D24)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from sla import queries, services
from sla.deadline import BadInstant
from sla.holidays import UnknownPlace
from sla.models import Outcome, ResponseClock
from supportdesk.places import Place, zone_info

pytestmark = [pytest.mark.django_db, pytest.mark.rule("R6", "D12")]

NEW_YORK = Place("US", "NY", "America/New_York")
BERLIN, BAVARIA = Place("DE", "BE", "Europe/Berlin"), Place("DE", "BY", "Europe/Berlin")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone_info("America/New_York"))


def started(text: str = "2026-12-01T10:00") -> ResponseClock:
    """A clock in New York; the one that is given nothing is due on Tuesday at 14:00."""
    return services.start_clock(place=NEW_YORK, at=local(text))


def fresh(clock: ResponseClock) -> ResponseClock:
    return ResponseClock.objects.get(pk=clock.pk)


def test_a_clock_keeps_its_deadline_and_its_warnings():
    clock = fresh(started("2026-12-04T14:15"))
    assert (clock.place, clock.minutes, clock.outcome) == (NEW_YORK, 240, Outcome.RUNNING)
    assert clock.due_at == local("2026-12-07T10:15")
    assert (clock.warn_first_at, clock.warn_last_at) == (local("2026-12-07T09:15"), local("2026-12-07T10:00"))


@pytest.mark.parametrize(
    ("place", "at", "error"),
    [
        (Place("QQ", "", "UTC"), local("2026-12-01T10:00"), UnknownPlace),
        (Place("US", "BY", "UTC"), local("2026-12-01T10:00"), UnknownPlace),
        (NEW_YORK, datetime(2026, 12, 1, 10), BadInstant),
    ],
)
def test_a_clock_that_cannot_be_planned_is_not_started(place, at, error):
    with pytest.raises(error):
        services.start_clock(place=place, at=at)
    assert not ResponseClock.objects.exists()


@pytest.mark.rule("D11")
@pytest.mark.parametrize(
    ("answered", "outcome"),
    [
        ("2026-12-01T10:00", Outcome.MET),  # during the call
        ("2026-12-01T14:00", Outcome.MET),  # to the instant
        ("2026-12-01T14:00:00.000001", Outcome.BREACHED),
        ("2026-12-02T09:00", Outcome.BREACHED),
    ],
)
def test_the_first_response_decides(answered, outcome):
    clock = started()
    services.answer_clock(clock_id=clock.pk, at=local(answered))
    again = services.answer_clock(clock_id=clock.pk, at=local("2026-12-03T10:00"))
    assert (again.outcome, again.answered_at, again.ended_at) == (outcome, local(answered), local(answered))
    assert fresh(clock).outcome == outcome
    assert fresh(clock).is_late(local("2027-01-01T00:00")) == (outcome == Outcome.BREACHED)


@pytest.mark.rule("D15", "D35")
@pytest.mark.parametrize("outcome", [Outcome.WITHDRAWN, Outcome.DECLINED, Outcome.MERGED])
def test_an_end_without_an_answer_keeps_a_breach(outcome):
    early, exact, late = started(), started(), started()
    services.end_clock(clock_id=early.pk, at=local("2026-12-01T13:00"), outcome=outcome)
    services.end_clock(clock_id=exact.pk, at=local("2026-12-01T14:00"), outcome=outcome)
    services.end_clock(clock_id=late.pk, at=local("2026-12-01T14:00:01"), outcome=outcome)
    assert [fresh(clock).outcome for clock in (early, exact, late)] == [outcome, outcome, Outcome.BREACHED]
    assert fresh(late).answered_at is None
    services.answer_clock(clock_id=early.pk, at=local("2026-12-01T13:30"))
    assert fresh(early).outcome == outcome


def test_an_ended_clock_keeps_its_outcome():
    clock = started()
    services.answer_clock(clock_id=clock.pk, at=local("2026-12-01T11:00"))
    services.end_clock(clock_id=clock.pk, at=local("2026-12-01T12:00"), outcome=Outcome.DECLINED)
    assert (fresh(clock).outcome, fresh(clock).ended_at) == (Outcome.MET, local("2026-12-01T11:00"))


def test_refusals_change_nothing():
    clock = started()
    with pytest.raises(services.BeforeItStarted):
        services.answer_clock(clock_id=clock.pk, at=local("2026-12-01T09:59:59"))
    with pytest.raises(services.BeforeItStarted):
        services.end_clock(clock_id=clock.pk, at=local("2026-12-01T09:00"), outcome=Outcome.WITHDRAWN)
    for outcome in (Outcome.MET, Outcome.BREACHED, Outcome.RUNNING):
        with pytest.raises(ValueError, match="does not end unanswered"):
            services.end_clock(clock_id=clock.pk, at=local("2026-12-01T11:00"), outcome=outcome)
    assert fresh(clock).ended_at is None
    assert fresh(clock).outcome == Outcome.RUNNING


@pytest.mark.rule("D13")
def test_warnings_come_when_planned_and_once():
    clock = started()  # due 14:00: warned 13:00 and 13:45
    assert not queries.clocks_to_warn(local("2026-12-01T12:59:59")).exists()
    at = local("2026-12-01T13:00")
    (found,) = queries.clocks_to_warn(at)
    assert found.warning_due(at) == "first"
    assert not services.mark_warned(clock_id=clock.pk, threshold="last", at=at)
    assert services.mark_warned(clock_id=clock.pk, threshold="first", at=at)
    assert not services.mark_warned(clock_id=clock.pk, threshold="first", at=at)
    assert not queries.clocks_to_warn(local("2026-12-01T13:44")).exists()
    at = local("2026-12-01T13:45")
    (found,) = queries.clocks_to_warn(at)
    assert found.warning_due(at) == "last"
    assert services.mark_warned(clock_id=clock.pk, threshold="last", at=at)
    assert not queries.clocks_to_warn(local("2026-12-01T14:00")).exists()
    assert fresh(clock).warned_first_at == local("2026-12-01T13:00")


@pytest.mark.rule("D13")
def test_a_sweep_that_comes_late_warns_once():
    clock = started()
    at = clock.due_at  # the last instant that is not late
    assert [found.warning_due(at) for found in queries.clocks_to_warn(at)] == ["last"]
    assert services.mark_warned(clock_id=clock.pk, threshold="last", at=at)
    assert not services.mark_warned(clock_id=clock.pk, threshold="last", at=at)
    assert not services.mark_warned(clock_id=clock.pk, threshold="first", at=at)
    assert not queries.clocks_to_warn(at).exists()
    assert fresh(clock).warned_first_at == at


@pytest.mark.rule("D13")
def test_a_breach_is_announced_once_and_only_while_it_runs():
    clock, ended = started(), started()
    services.end_clock(clock_id=ended.pk, at=local("2026-12-01T13:59"), outcome=Outcome.DECLINED)
    assert not queries.clocks_to_announce(local("2026-12-01T14:00")).exists()
    assert not services.mark_announced(clock_id=clock.pk, at=local("2026-12-01T14:00"))
    at = local("2026-12-01T14:00:01")
    assert list(queries.clocks_to_announce(at)) == [clock]
    assert not queries.clocks_to_warn(at).exists()
    assert services.mark_announced(clock_id=clock.pk, at=at)
    assert not services.mark_announced(clock_id=clock.pk, at=at)
    assert not queries.clocks_to_announce(at).exists()


@pytest.mark.rule("D13")
def test_breach_by_business_time():
    clock = started("2026-12-04T16:30")  # due Monday 12:30
    for looked in ("2026-12-04T20:30", "2026-12-06T12:00", "2026-12-07T10:00"):
        assert not queries.clocks_to_announce(local(looked)).exists()
        assert not queries.clocks_to_warn(local(looked)).exists()
    services.end_clock(clock_id=clock.pk, at=local("2026-12-07T10:00"), outcome=Outcome.DECLINED)
    later = local("2026-12-08T10:00")
    assert not queries.clocks_to_announce(later).exists()
    assert not fresh(clock).is_late(later)
    assert not ResponseClock.objects.filter(queries.late(later)).exists()


@pytest.mark.rule("D13")
@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_late_is_the_same_in_sql_and_in_python(seconds):
    running, answered = started(), started()
    at = running.due_at + timedelta(seconds=seconds)
    services.answer_clock(clock_id=answered.pk, at=at)
    found = set(ResponseClock.objects.filter(queries.late(at)))
    assert found == ({running, answered} if seconds > 0 else set())
    assert found == {clock for clock in ResponseClock.objects.all() if clock.is_late(at)}


def test_what_is_left_is_business_time():
    clock = started("2026-12-04T16:30")
    assert queries.minutes_left(clock, local("2026-12-05T20:30")) == 210
    assert queries.minutes_left(clock, local("2026-12-07T13:00")) == -30


@pytest.mark.rule("D23")
def test_a_place_that_changes_moves_a_deadline():
    at = datetime(2027, 1, 5, 14, tzinfo=UTC)
    clock = services.start_clock(place=BERLIN, at=at)
    moved = services.replan_clock(clock_id=clock.pk, place=BAVARIA)
    assert moved.new_due_at - moved.old_due_at == timedelta(days=1)
    assert fresh(clock).place == BAVARIA


def test_a_merge_never_dodges_a_breach():
    clock = started("2026-12-01T12:00")
    moved = services.replan_clock(clock_id=clock.pk, started_at=local("2026-12-01T10:00"))
    assert moved.new_due_at == local("2026-12-01T14:00")
    with pytest.raises(ValueError, match="later than the start"):
        services.replan_clock(clock_id=clock.pk, started_at=local("2026-12-01T12:00"))
    assert fresh(clock).started_at == local("2026-12-01T10:00")


@pytest.mark.rule("D24")
def test_a_deadline_is_explained_by_the_days_that_made_it():
    clock = fresh(started("2026-11-25T16:00"))
    counted, holiday, rest = queries.explain_clock(clock)
    assert (counted.kind, holiday.kind, rest.kind) == ("counted", "holiday", "counted")
    assert holiday.days == (date(2026, 11, 26),)


@pytest.mark.parametrize(
    "wrong",
    [
        {"due_at": local("2026-12-01T10:00")},
        {"minutes": 0},
        {"warn_last_at": local("2026-12-01T14:00")},
        {"warn_first_at": local("2026-12-01T13:50")},
        {"outcome": Outcome.MET},
        {"outcome": Outcome.BREACHED},
        {"outcome": Outcome.WITHDRAWN},
        {"answered_at": local("2026-12-01T11:00")},
        {"answered_at": local("2026-12-01T11:00"), "outcome": Outcome.MET},  # answered, yet not ended
        {"ended_at": local("2026-12-01T11:00")},
        {"ended_at": local("2026-12-01T09:00"), "outcome": Outcome.DECLINED},
        {"ended_at": local("2026-12-01T15:00"), "outcome": Outcome.DECLINED},
        {"ended_at": local("2026-12-01T11:00"), "outcome": Outcome.BREACHED},
        {"ended_at": local("2026-12-01T11:00"), "answered_at": local("2026-12-01T11:00"), "outcome": Outcome.MERGED},
        {"ended_at": local("2026-12-01T15:00"), "answered_at": local("2026-12-01T15:00"), "outcome": Outcome.MET},
    ],
)
def test_the_database_refuses_what_cannot_be(wrong):
    clock = started()
    with pytest.raises(IntegrityError), transaction.atomic():
        ResponseClock.objects.filter(pk=clock.pk).update(**wrong)
    assert fresh(clock).outcome == Outcome.RUNNING
