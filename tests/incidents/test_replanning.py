"""A calendar that changes moves open deadlines, and the timelines say so; what was done stays done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from incidents.announcing import announce_due
from incidents.models import Incident, TimelineEntry
from incidents.replanning import replan_due
from incidents.services import conversation, reopening
from incidents.services.places import note_moves
from incidents.stories import say
from incidents.tasks import replan
from sla.closing import add_closure, remove_closure
from sla.closures import Reach, Rule
from sla.holidays import Libraries
from sla.models import CalendarState, Closure, ResponseClock
from sla.replanning import adopt_libraries, pending_changes
from supportdesk import clock
from supportdesk.people.models import Contact, Customer
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents_helpers import answered, at_once, key, opened, signed_in, steps

pytestmark = pytest.mark.rule("D23")
EVERYONE = Reach()
MONDAY, TUESDAY = date(2026, 12, 7), date(2026, 12, 8)
LOGGED = datetime(2026, 12, 7, 20, tzinfo=UTC)  # Monday 15:00 in New York
CLOSES = LOGGED + timedelta(hours=1)
TUESDAY_11 = datetime(2026, 12, 8, 16, tzinfo=UTC)
WEDNESDAY_11 = datetime(2026, 12, 9, 16, tzinfo=UTC)


def close(day: date = TUESDAY, *, at: datetime = CLOSES, reach: Reach = EVERYONE, name: str = "Stocktaking") -> Closure:
    return add_closure(rule=Rule(day, day, name, reach=reach), by=None, at=at, key=key())


def due(incident: Incident) -> datetime:
    return incident.clocks.get(current=True).clock.due_at


def moves(incident: Incident) -> list[dict[str, Any]]:
    told = incident.timeline.filter(code="deadline_moved").order_by("id")
    return [dict(step.data) for step in told]


def page(who: Any, incident: Incident, *, at: datetime) -> str:
    place = "desk" if not isinstance(who, Contact) else "portal"
    with clock.set_to(at):
        url = f"/desk/incidents/{incident.number}/" if place == "desk" else f"/incidents/{incident.number}/"
        answer = signed_in(who).get(url)
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.mark.rule("D24")
def test_a_day_that_is_closed_moves_the_deadline_and_both_are_in_the_timeline(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)
    assert due(incident) == TUESDAY_11
    close()
    assert replan_due(at=CLOSES) == 1
    assert due(incident) == WEDNESDAY_11
    link = incident.clocks.get()
    assert moves(incident) == [
        {
            "clock": link.clock_id,
            "zone": "America/New_York",
            "old": TUESDAY_11.isoformat(),
            "new": WEDNESDAY_11.isoformat(),
            "why": "calendar",
        }
    ]
    assert replan_due(at=CLOSES + timedelta(hours=1)) == 0
    assert len(moves(incident)) == 1


def test_the_customer_and_the_desk_read_it_in_their_own_times(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)
    close()
    replan_due(at=CLOSES)
    told = "The deadline moved from Tue 8 Dec, 11:00 to Wed 9 Dec, 11:00 in New York"
    assert f"{told}: the calendar changed" in page(cast.owner, incident, at=CLOSES)
    here = "(from Tue 8 Dec, 21:30 to Wed 9 Dec, 21:30 for you): the calendar changed"
    assert f"{told} {here}" in page(cast.technician, incident, at=CLOSES)


def test_what_was_answered_is_not_touched(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)
    answered(incident, cast.technician, at=LOGGED + timedelta(minutes=5), then="closed")
    before = ResponseClock.objects.values().get()
    close()
    assert replan_due(at=CLOSES) == 0
    assert ResponseClock.objects.values().get() == before
    assert moves(incident) == []


def test_a_closure_that_is_taken_back_moves_it_back(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)
    closure = close()
    replan_due(at=CLOSES)
    remove_closure(closure_id=closure.pk, by=None, at=CLOSES)
    replan_due(at=CLOSES)
    assert due(incident) == TUESDAY_11
    assert [(move["old"], move["new"]) for move in moves(incident)] == [
        (TUESDAY_11.isoformat(), WEDNESDAY_11.isoformat()),
        (WEDNESDAY_11.isoformat(), TUESDAY_11.isoformat()),
    ]


def test_another_customers_closure_moves_nothing_here(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)
    close(reach=Reach(customer_id=cast.other.pk))
    assert replan_due(at=CLOSES) == 0
    close(reach=Reach(customer_id=cast.acme.pk))
    assert replan_due(at=CLOSES) == 1
    assert due(incident) == WEDNESDAY_11


@pytest.mark.rule("D12", "D16")
def test_of_a_reopened_incident_the_running_clock_moves_and_the_first_keeps_its_outcome(cast: Cast):
    incident = opened(cast.owner, at=LOGGED - timedelta(days=6))
    answered(incident, cast.technician, at=LOGGED - timedelta(days=6), then="closed")
    conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text="Again.", via="portal", at=LOGGED, key=key()
    )
    reopening.accept(incident_id=incident.pk, user=cast.technician, at=LOGGED)
    first = incident.clocks.get(current=False).clock
    close(MONDAY - timedelta(days=6), name="Long ago")
    close()
    assert replan_due(at=CLOSES) == 1
    assert due(incident) == WEDNESDAY_11
    (move,) = moves(incident)
    assert move["clock"] == incident.clocks.get(current=True).clock_id
    now = ResponseClock.objects.get(pk=first.pk)
    assert (now.due_at, now.outcome, now.ended_at) == (first.due_at, "met", first.ended_at)


@pytest.mark.rule("D13")
def test_a_breach_that_was_announced_stays_so_and_warnings_are_not_sent_again(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)
    for minutes in (-60, -15, 1):
        announce_due(at=TUESDAY_11 + timedelta(minutes=minutes))
    late = TUESDAY_11 + timedelta(minutes=20)
    close(at=late)
    replan_due(at=late)
    link = incident.clocks.select_related("clock").get()
    assert link.clock.breach_announced_at == TUESDAY_11 + timedelta(minutes=1)
    assert not link.clock.is_late(late)
    for minutes in (-60, -15, 1, 500):
        announce_due(at=WEDNESDAY_11 + timedelta(minutes=minutes))
    told = [code for code in steps(incident) if code in ("warned", "breached", "deadline_moved")]
    assert told == ["warned", "warned", "breached", "deadline_moved"]


def test_a_run_that_is_cut_off_is_gone_on_with(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    incidents = [opened(cast.owner, at=LOGGED) for _ in range(5)]
    close()
    noted: list[int] = []

    def dies_at_the_third(moved: Any, **kw: Any) -> None:
        note_moves(moved, **kw)
        noted.append(len(moved))
        if len(noted) == 3:
            raise SystemExit("killed between two batches")

    monkeypatch.setattr("incidents.replanning.POLICY", replace(POLICY, replan_batch=1))
    monkeypatch.setattr("incidents.replanning.note_moves", dies_at_the_third)
    with pytest.raises(SystemExit):
        replan_due(at=CLOSES)
    assert sum(due(incident) == WEDNESDAY_11 for incident in incidents) == 2
    assert TimelineEntry.objects.filter(code="deadline_moved").count() == 2, "deadline and step are one transaction"
    assert pending_changes().exists()

    monkeypatch.setattr("incidents.replanning.note_moves", note_moves)
    assert replan_due(at=CLOSES) == 3
    assert [len(moves(incident)) for incident in incidents] == [1] * 5
    assert not pending_changes().exists()


def test_a_step_that_cannot_be_written_holds_up_no_other(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    incidents = [opened(cast.owner, at=LOGGED) for _ in range(7)]
    theirs = opened(cast.stranger, at=LOGGED)
    bad = incidents[4].clocks.get().clock_id
    adopt_libraries(at=LOGGED)
    replan_due(at=LOGGED)
    close(reach=Reach(customer_id=cast.acme.pk))
    close(reach=Reach(customer_id=cast.other.pk))

    def refuses_one(moved: Any, **kw: Any) -> None:
        note_moves(moved, **kw)
        if any(one.clock.pk == bad for one in moved):
            raise ValueError("no step for this one")

    monkeypatch.setattr("incidents.replanning.note_moves", refuses_one)
    assert replan_due(at=CLOSES) == 7
    assert [len(moves(incident)) for incident in incidents] == [1, 1, 1, 1, 0, 1, 1]
    assert due(incidents[4]) == TUESDAY_11
    assert len(moves(theirs)) == 1
    assert f"Clock {bad} is not planned anew" in caplog.text
    assert pending_changes().count() == 1, "it is seen to wait"

    monkeypatch.setattr("incidents.replanning.note_moves", note_moves)
    assert replan_due(at=CLOSES) == 1
    assert [len(moves(incident)) for incident in incidents] == [1] * 7
    assert not pending_changes().exists()


def test_what_somebody_holds_holds_up_no_other(committed_cast: Cast):
    held, free = opened(committed_cast.owner, at=LOGGED), opened(committed_cast.stranger, at=LOGGED)
    replan_due(at=LOGGED)
    close(reach=Reach(customer_id=committed_cast.acme.pk))
    close(reach=Reach(customer_id=committed_cast.other.pk))
    with transaction.atomic():
        ResponseClock.objects.select_for_update().get(link__incident=held)
        assert at_once(lambda: replan_due(at=CLOSES)) == [1]
    assert (len(moves(held)), len(moves(free))) == (0, 1)
    assert replan_due(at=CLOSES) == 1
    assert (len(moves(held)), len(moves(free))) == (1, 1)
    assert not pending_changes().exists()


def test_two_workers_at_once_write_each_step_once(committed_cast: Cast, monkeypatch: pytest.MonkeyPatch):
    incidents = [opened(committed_cast.owner, at=LOGGED) for _ in range(9)]
    adopt_libraries(at=LOGGED)
    close()
    monkeypatch.setattr("incidents.replanning.POLICY", replace(POLICY, replan_batch=2))
    made = at_once(*[lambda: replan_due(at=CLOSES)] * 4)
    made.append(replan_due(at=CLOSES))  # what somebody held is found by the next run
    assert sum(made) == 9
    assert [len(moves(incident)) for incident in incidents] == [1] * 9
    assert {due(incident) for incident in incidents} == {WEDNESDAY_11}


def test_an_answer_at_the_same_time_waits_for_nobody_long_and_is_judged_by_one_of_both(committed_cast: Cast):
    incidents = [opened(committed_cast.owner, at=LOGGED) for _ in range(3)]
    close()
    at = TUESDAY_11 + timedelta(minutes=30)
    made = at_once(
        lambda: replan_due(at=at),
        *[lambda one=one: answered(one, committed_cast.technician, at=at) for one in incidents],
    )
    assert not [one for one in made if isinstance(one, Exception)]
    replan_due(at=at)
    for incident in incidents:
        link = incident.clocks.select_related("clock").get()
        moved = bool(moves(incident))
        assert link.clock.due_at == (WEDNESDAY_11 if moved else TUESDAY_11)
        assert link.clock.outcome == ("met" if moved else "breached")


@pytest.mark.parametrize("count", [1, 50])
def test_a_batch_costs_the_same_queries_however_many_move(cast: Cast, count: int):
    for _ in range(count):
        opened(cast.owner, at=LOGGED)
    replan_due(at=LOGGED)
    close()
    with CaptureQueriesContext(connection) as asked:
        assert replan_due(at=CLOSES) == count
    assert len(asked) == 19
    with CaptureQueriesContext(connection) as asked:
        assert replan_due(at=CLOSES) == 0
    assert len(asked) == 10


def test_an_older_worker_leaves_it_to_a_newer_one(cast: Cast, caplog: pytest.LogCaptureFixture):
    incident = opened(cast.owner, at=LOGGED)
    replan_due(at=LOGGED)
    close()
    CalendarState.objects.update(number=99, mark="00000000-0000-4000-8000-000000000099", holidays="99.1")
    assert CalendarState.objects.get().libraries > Libraries("0", "0")
    assert replan_due(at=CLOSES) == 0
    assert due(incident) == TUESDAY_11
    assert "older packages" in caplog.text


def test_the_task_asks_the_one_clock(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)
    close()
    with clock.set_to(CLOSES):
        assert replan() == 1
    assert incident.timeline.get(code="deadline_moved").at == CLOSES


def test_a_change_wakes_a_worker_once_it_is_committed(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
):
    woken: list[str] = []
    monkeypatch.setattr("sla.closing.wake", woken.append)
    with django_capture_on_commit_callbacks(execute=True):
        close()
        assert woken == []
    assert woken == ["incidents.replan"]


@pytest.mark.rule("D24")
def test_a_moved_deadline_is_told_in_the_zone_of_then(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)
    close()
    replan_due(at=CLOSES)
    Customer.objects.filter(pk=cast.acme.pk).update(zone="Pacific/Auckland", place_name="Auckland")
    step = incident.timeline.select_related("incident__customer").get(code="deadline_moved")
    assert "from Tue 8 Dec, 11:00 to Wed 9 Dec, 11:00 in New York" in say(step, "")
