"""What waits for its customer is reminded of after 5 business days, and closed after 10 (D10)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.mails import ends
from incidents.models import Incident
from incidents.services.silence import remind_and_close
from incidents.tasks import end_silence
from sla.closing import add_closure
from sla.closures import Reach, Rule
from sla.models import ResponseClock
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents.ending import clock_of, everything, step_of, taken_back, wrote
from tests.incidents_helpers import again, answered, at_once, key, opened, steps

pytestmark = pytest.mark.rule("D10")
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
# From Tuesday 1 December, 10:00 in New York, five business days are a week.
REMINDED, CLOSED = 7 * DAY, 14 * DAY


def waits(cast: Cast, at: datetime) -> Incident:
    incident = opened(cast.owner, at=at - HOUR)
    answered(incident, cast.technician, at=at)
    return again(incident)


def test_reminded_then_closed_to_the_microsecond(cast: Cast, at: datetime):
    incident = waits(cast, at)
    assert remind_and_close(at=at + REMINDED - TICK) == 0
    assert remind_and_close(at=at + REMINDED) == 1
    assert remind_and_close(at=at + REMINDED) == 0
    assert again(incident).reminded_at == at + REMINDED
    assert remind_and_close(at=at + CLOSED - TICK) == 0
    assert again(incident).status == "waiting"
    assert remind_and_close(at=at + CLOSED) == 1
    assert remind_and_close(at=at + CLOSED + 30 * DAY) == 0
    now = again(incident)
    assert (now.status, now.first_closed_at, now.waits_since) == ("closed", at + CLOSED, None)
    for code in ("reminded", "closed_silence"):
        assert steps(incident).count(code) == 1
        step = step_of(incident, code)
        assert (step.user, step.contact) == (None, None)
    assert clock_of(incident).outcome == "met"


def test_one_that_fails_holds_up_no_other(cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch):
    bad, good = waits(cast, at), waits(cast, at)
    reminded = ends.reminded

    def fails(incident: Incident, **given: Any) -> list[OutgoingMail]:
        if incident.pk == bad.pk:
            raise LookupError
        return reminded(incident, **given)

    monkeypatch.setattr(ends, "reminded", fails)
    assert remind_and_close(at=at + REMINDED) == 1
    assert (again(bad).reminded_at, again(good).reminded_at) == (None, at + REMINDED)


def test_both_are_mailed(cast: Cast, at: datetime):
    waits(cast, at)
    remind_and_close(at=at + REMINDED)
    reminder = OutgoingMail.objects.get(kind="incident_reminded")
    assert "We wait for your answer since 1 Dec 2026." in reminder.text
    assert "is closed on Tuesday 15 December, 10:00, your time in New York" in reminder.text
    remind_and_close(at=at + CLOSED)
    last = OutgoingMail.objects.get(kind="incident_closed_silence")
    assert "nothing for 10 business days" in last.text
    assert "until 15 Mar 2027" in last.text


@pytest.mark.parametrize("after", [3 * DAY, 10 * DAY])
def test_a_word_of_the_customer_ends_the_silence(cast: Cast, at: datetime, after: timedelta):
    incident = waits(cast, at)
    remind_and_close(at=at + after)
    wrote(cast.owner, incident, at=at + after)
    now = again(incident)
    assert (now.status, now.waits_since, now.reminded_at) == ("open", None, None)
    assert remind_and_close(at=at + 60 * DAY) == 0
    answered(incident, cast.technician, at=at + 20 * DAY)
    assert remind_and_close(at=at + 20 * DAY + REMINDED - TICK) == 0, "it is counted anew"


@pytest.mark.parametrize("then", ["open", "waiting"])
def test_a_further_answer_of_ours_begins_the_silence_anew(cast: Cast, at: datetime, then: str):
    """Nobody is closed a day after they were asked something."""
    incident = waits(cast, at)
    remind_and_close(at=at + REMINDED)
    answered(incident, cast.technician, at=at + 8 * DAY, then=then)
    answered(incident, cast.technician, at=at + 9 * DAY)
    now = again(incident)
    assert (now.waits_since, now.reminded_at) == (at + 9 * DAY, None)
    assert remind_and_close(at=at + CLOSED) == 0
    assert remind_and_close(at=at + 9 * DAY + REMINDED) == 1
    assert OutgoingMail.objects.filter(kind="incident_reminded").count() == 2


def test_a_run_that_comes_late_reminds_first_and_gives_the_same_days(cast: Cast, at: datetime):
    incident = waits(cast, at)
    late = at + 28 * DAY
    assert remind_and_close(at=late) == 1
    assert remind_and_close(at=late + 1 * HOUR) == 0
    assert (again(incident).status, steps(incident)[-1]) == ("waiting", "reminded")
    # Tuesday 29 December to Wednesday 6 January: New Year is none of the five.
    assert remind_and_close(at=late + 8 * DAY - TICK) == 0
    assert remind_and_close(at=late + 8 * DAY) == 1


@pytest.mark.rule("D23")
def test_closures_of_the_customer_are_no_days_of_silence(cast: Cast, at: datetime):
    incident = waits(cast, at)
    rule = Rule(date(2026, 12, 3), date(2026, 12, 4), "Moving", reach=Reach(customer_id=cast.acme.pk))
    add_closure(rule=rule, by=cast.admin, at=at, key=key())
    assert remind_and_close(at=at + REMINDED) == 0
    assert remind_and_close(at=at + REMINDED + 2 * DAY) == 1
    assert again(incident).reminded_at == at + REMINDED + 2 * DAY


@pytest.mark.parametrize("gone", [{"email": ""}, {"removed_at": datetime(2026, 12, 2).astimezone()}])
def test_whom_no_mail_reaches_is_not_closed(cast: Cast, at: datetime, gone: dict[str, object]):
    incident = waits(cast, at)
    cast.owner.phone = "+12125550100"
    for name, value in gone.items():
        setattr(cast.owner, name, value)
    cast.owner.save()
    assert [remind_and_close(at=at + n * 30 * DAY) for n in range(1, 4)] == [0, 0, 0]
    assert again(incident).status == "waiting"


def test_while_we_owe_an_answer_the_silence_is_ours(cast: Cast, at: datetime):
    incident = waits(cast, at)
    ResponseClock.objects.filter(pk=clock_of(incident).pk).update(ended_at=None, answered_at=None, outcome="running")
    assert remind_and_close(at=at + 30 * DAY) == 0


@pytest.mark.rule("D36")
def test_a_closure_by_silence_is_taken_back_like_any_other(cast: Cast, at: datetime):
    incident = waits(cast, at)
    remind_and_close(at=at + REMINDED)
    remind_and_close(at=at + CLOSED)
    taken_back(incident, cast.technician, at=at + CLOSED + HOUR)
    now = again(incident)
    assert (now.status, now.first_closed_at, now.reminded_at) == ("waiting", None, None)
    assert remind_and_close(at=at + CLOSED + 2 * HOUR) == 0, "it is not closed again at once"


def test_it_needs_as_many_queries_for_thirty_that_are_not_due_as_for_one(cast: Cast, at: datetime):
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert remind_and_close(at=at + REMINDED - HOUR) == 0
        return len(seen)

    waits(cast, at)
    one = queries()
    for _time in range(30):
        waits(cast, at)
    assert queries() == one == 2


def test_a_limit_holds_and_the_rest_comes_next(cast: Cast, at: datetime):
    for _time in range(3):
        waits(cast, at)
    assert [remind_and_close(at=at + REMINDED, limit=2) for _time in range(3)] == [2, 1, 0]


def test_four_runs_at_once_remind_and_close_once(committed_cast: Cast, at: datetime):
    made = [waits(committed_cast, at) for _time in range(3)]
    assert sum(at_once(*[lambda: remind_and_close(at=at + REMINDED)] * 4)) == 3
    assert sum(at_once(*[lambda: remind_and_close(at=at + CLOSED)] * 4)) == 3
    for incident in made:
        assert steps(incident)[-2:] == ["reminded", "closed_silence"]
    assert OutgoingMail.objects.filter(kind__in=("incident_reminded", "incident_closed_silence")).count() == 6


def test_a_word_at_the_same_instant_is_never_closed_over(committed_cast: Cast, at: datetime):
    incident = waits(committed_cast, at)
    remind_and_close(at=at + REMINDED)
    at_once(
        lambda: remind_and_close(at=at + CLOSED),
        lambda: wrote(committed_cast.owner, incident, at=at + CLOSED),
    )
    now = again(incident)
    if now.status == "open":
        assert (now.first_closed_at, now.wrote_at) == (None, at + CLOSED)
    else:
        assert (now.status, now.reopen_asked_at) == ("closed", at + CLOSED)


def test_the_task_asks_the_one_clock(cast: Cast, at: datetime):
    waits(cast, at)
    with clock.set_to(at + REMINDED):
        assert (end_silence(), end_silence()) == (1, 0)
    before = everything()
    assert remind_and_close(at=at) == 0
    assert everything() == before
