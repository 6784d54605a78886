"""A mistaken closure or decline is taken back within the hour, as if it had not been (D36)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.core.management import call_command

from incidents.announcing import announce_due
from incidents.models import Incident
from incidents.services import calls, conversation, ending, merging, reopening
from incidents.services.common import NotAllowed
from incidents.services.places import move_customer
from points.models import Charge, Entry, GiveBack
from points.queries import balance
from points.services import NotEnoughPoints
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents.crediting import marked
from tests.incidents.ending import clock_of, closed_by, declined, everything, step_of, taken_back, wrote
from tests.incidents_helpers import again, answered, key, opened, steps, with_points

pytestmark = pytest.mark.rule("D36")
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
End = Callable[[Cast, Incident, datetime], object]


def _answer_and_close(cast: Cast, incident: Incident, at: datetime) -> object:
    return answered(incident, cast.technician, at=at, then="closed")


def _customer(cast: Cast, incident: Incident, at: datetime) -> object:
    return closed_by(cast.owner, incident, at=at, text="Never mind.")


def _decline(cast: Cast, incident: Incident, at: datetime) -> object:
    return declined(incident, cast.technician, at=at)


ENDS = pytest.mark.parametrize("end", [_answer_and_close, _customer, _decline])


def state(incident: Incident) -> tuple[object, ...]:
    """What must be as before, but for the clock that a closing answer has answered."""
    now = again(incident)
    return (now.closed_at, now.first_closed_at, now.wrote_at, now.reopen_asked_at, now.decline_reason, now.owner_id)


@ENDS
@pytest.mark.parametrize("then", ["open", "waiting"])
def test_it_is_as_before(cast: Cast, at: datetime, end: End, then: str):
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at + HOUR, then=then)
    before, clock = state(incident), clock_of(incident)
    end(cast, incident, at + 2 * HOUR)
    taken_back(incident, cast.colleague, at=at + 3 * HOUR)
    assert state(incident) == before
    now = again(incident)
    assert (now.status, clock_of(incident).outcome) == (then, "met")
    assert clock_of(incident) == clock
    # Silence is counted anew: nobody is closed for the time in which it was closed.
    assert now.waits_since == (at + 3 * HOUR if then == "waiting" else None)
    assert steps(incident)[-1] == "taken_back"
    assert step_of(incident, "taken_back").user == cast.colleague


@pytest.mark.rule("D12")
def test_an_unanswered_clock_runs_again(cast: Cast, at: datetime):
    for end in (_customer, _decline):
        incident = opened(cast.owner, at=at)
        end(cast, incident, at + HOUR)
        taken_back(incident, cast.technician, at=at + 2 * HOUR)
        clock = clock_of(incident)
        assert (clock.outcome, clock.started_at, clock.due_at) == ("running", at, at + 4 * HOUR)
        assert again(incident).status == "new"
        answered(incident, cast.technician, at=at + 4 * HOUR)
        assert clock_of(incident).outcome == "met"


@pytest.mark.rule("D10")
def test_what_was_answered_by_the_closing_word_is_not_new_again(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    _answer_and_close(cast, incident, at + HOUR)
    taken_back(incident, cast.technician, at=at + HOUR)
    assert (again(incident).status, clock_of(incident).outcome) == ("open", "met")


def test_who_waits_for_an_answer_waits_since_before(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at)
    wrote(cast.owner, incident, at=at + HOUR)
    for end in (_customer, _decline):
        end(cast, incident, at + 2 * HOUR)
        taken_back(incident, cast.technician, at=at + 2 * HOUR)
        assert (again(incident).wrote_at, again(incident).status) == (at + HOUR, "open")


@pytest.mark.rule("R13")
def test_the_closure_does_not_count_as_the_original_one(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    _answer_and_close(cast, incident, at)
    taken_back(incident, cast.technician, at=at + HOUR)
    assert again(incident).first_closed_at is None
    conversation.close(incident_id=incident.pk, user=cast.technician, at=at + 48 * HOUR)
    wrote(cast.owner, incident, at=at + 49 * HOUR)
    reopening.accept(incident_id=incident.pk, user=cast.technician, at=at + 49 * HOUR)
    _answer_and_close(cast, incident, at + 50 * HOUR)
    taken_back(incident, cast.technician, at=at + 50 * HOUR)
    assert again(incident).first_closed_at == at + 48 * HOUR, "an original closure stays one"


@ENDS
def test_the_hour_ends_to_the_microsecond(cast: Cast, at: datetime, end: End):
    incident, late = opened(cast.owner, at=at), opened(cast.owner, at=at)
    end(cast, incident, at)
    end(cast, late, at)
    before = everything()
    with pytest.raises(ending.HourOver):
        taken_back(late, cast.technician, at=at + HOUR + TICK)
    assert everything() == before
    taken_back(incident, cast.technician, at=at + HOUR)
    assert not again(incident).is_finished


@ENDS
def test_the_same_step_again_changes_nothing(cast: Cast, at: datetime, end: End):
    incident = opened(cast.owner, at=at)
    end(cast, incident, at)
    taken_back(incident, cast.technician, at=at + HOUR)
    before = everything()
    taken_back(incident, cast.technician, at=at + HOUR, step=step_of(incident, steps(incident)[-2]).pk)
    assert everything() == before


def test_an_old_pages_button_takes_no_other_closure_back(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    _answer_and_close(cast, incident, at)
    first = step_of(incident, "closed").pk
    taken_back(incident, cast.technician, at=at)
    conversation.close(incident_id=incident.pk, user=cast.colleague, at=at + HOUR / 2)
    taken_back(incident, cast.technician, at=at + HOUR / 2, step=first)
    assert again(incident).status == "closed"
    with pytest.raises(ending.Overtaken):
        taken_back(incident, cast.technician, at=at + HOUR / 2, step=step_of(incident, "opened").pk)


@pytest.mark.rule("D16")
def test_after_a_decision_on_a_re_opening_it_is_refused(cast: Cast, at: datetime):
    opened_again, kept = opened(cast.owner, at=at), opened(cast.owner, at=at)
    for incident in (opened_again, kept):
        _answer_and_close(cast, incident, at)
        wrote(cast.owner, incident, at=at)
    reopening.accept(incident_id=opened_again.pk, user=cast.technician, at=at)
    reopening.refuse(incident_id=kept.pk, reason="Another disk.", user=cast.technician, at=at, key=key())
    before = everything()
    with pytest.raises(NotAllowed):
        taken_back(opened_again, cast.technician, at=at, step=step_of(opened_again, "closed").pk)
    with pytest.raises(ending.Overtaken):
        taken_back(kept, cast.technician, at=at)
    assert everything() == before


@pytest.mark.rule("D16", "D10")
@pytest.mark.parametrize("then", ["open", "waiting"])
def test_a_request_made_meanwhile_is_a_message_in_what_is_open(cast: Cast, at: datetime, then: str):
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at, then=then)
    conversation.close(incident_id=incident.pk, user=cast.technician, at=at)
    assert wrote(cast.owner, incident, at=at + HOUR / 2).outcome == "request"
    taken_back(incident, cast.technician, at=at + HOUR)
    now = again(incident)
    assert (now.status, now.reopen_asked_at, now.wrote_at) == ("open", None, at + HOUR / 2)


@pytest.mark.rule("D12", "D35")
@pytest.mark.parametrize("word", [False, True])
def test_what_was_parted_meanwhile_took_its_start_and_its_words_along(cast: Cast, at: datetime, word: bool):
    first, target = opened(cast.owner, at=at), opened(cast.owner, at=at + HOUR)
    due = clock_of(target).due_at
    if word:
        wrote(cast.owner, first, at=at + HOUR)
    merging.merge(incident_id=first.pk, into_id=target.pk, user=cast.technician, at=at + 2 * HOUR)
    assert (clock_of(target).started_at, again(target).wrote_at) == (at, at + HOUR if word else None)
    closed_by(cast.owner, target, at=at + 2 * HOUR)
    merging.unmerge(incident_id=first.pk, user=cast.technician, at=at + 2 * HOUR, key=key())
    taken_back(target, cast.technician, at=at + 3 * HOUR)
    assert (clock_of(target).started_at, clock_of(target).due_at) == (at + HOUR, due)
    assert again(target).wrote_at is None
    assert again(first).wrote_at == (at + HOUR if word else None)


@pytest.mark.rule("D35")
def test_a_merged_one_is_not_taken_back(cast: Cast, at: datetime):
    incident, other = opened(cast.owner, at=at), opened(cast.owner, at=at)
    _answer_and_close(cast, incident, at)
    Incident.objects.filter(pk=incident.pk).update(merged_into=other, merged_at=at)
    with pytest.raises(NotAllowed):
        taken_back(incident, cast.technician, at=at)


# What a decline gave back


@pytest.mark.rule("D15", "D4")
def test_a_declines_charge_is_made_anew(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    old = incident.charges.get().charge
    declined(incident, cast.technician, at=at)
    taken_back(incident, cast.technician, at=at + HOUR)
    anew = incident.charges.get(current=True).charge
    assert (anew.points, anew.channel, anew.reference, anew.actor) == (10, "email", incident.number, cast.technician)
    assert (anew != old, incident.charges.count(), balance(customer_id=cast.acme.pk, at=at + HOUR)) == (True, 2, 0)
    assert GiveBack.objects.get().charge == old, "the old one stays given back"
    assert marked(incident, cast, at=at + HOUR).charge == anew


@pytest.mark.rule("D15")
def test_declined_and_taken_back_twice_nothing_is_doubled(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    for n in range(2):
        declined(incident, cast.technician, at=at + n * HOUR)
        assert balance(customer_id=cast.acme.pk, at=at + n * HOUR) == 10
        taken_back(incident, cast.technician, at=at + n * HOUR)
        assert balance(customer_id=cast.acme.pk, at=at + n * HOUR) == 0
    assert (Charge.objects.count(), GiveBack.objects.count()) == (3, 2)
    call_command("check_ledger", offline=True)


@pytest.mark.rule("D15", "R3")
def test_short_of_points_it_is_refused_with_what_is_missing(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    declined(incident, cast.technician, at=at)
    opened(cast.owner, at=at, points=0)
    with_points(cast.acme, 4, at=at)
    before = everything()
    with pytest.raises(NotEnoughPoints) as short:
        taken_back(incident, cast.technician, at=at)
    assert (short.value.needed, short.value.on_hand) == (10, 4)
    assert everything() == before
    with_points(cast.acme, 6, at=at)
    taken_back(incident, cast.technician, at=at)
    assert again(incident).status == "new"


def test_a_closure_costs_nothing_to_take_back(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    entries = Entry.objects.count()
    _customer(cast, incident, at)
    taken_back(incident, cast.technician, at=at)
    assert Entry.objects.count() == entries


# The clock


@pytest.mark.rule("D13")
def test_a_breach_that_was_announced_stays_announced(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    announce_due(at=at + 4.5 * HOUR)
    declined(incident, cast.technician, at=at + 5 * HOUR)
    assert clock_of(incident).outcome == "breached"
    taken_back(incident, cast.technician, at=at + 5 * HOUR)
    assert announce_due(at=at + 6 * HOUR) == 0
    assert steps(incident).count("breached") == 1
    answered(incident, cast.technician, at=at + 6 * HOUR)
    assert clock_of(incident).outcome == "breached"


@pytest.mark.rule("D21", "D23")
def test_a_customer_that_moved_meanwhile_has_the_deadline_of_where_it_is(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    declined(incident, cast.technician, at=at)
    there = {"country": "US", "subdivision": "CA", "zone": "America/Los_Angeles"}
    move_customer(customer_id=cast.acme.pk, user=cast.admin, at=at, **there)
    taken_back(incident, cast.technician, at=at + HOUR)
    # Logged at 7:00 in Los Angeles, so due four hours after nine.
    assert clock_of(incident).due_at == at + 6 * HOUR
    step = step_of(incident, "deadline_moved")
    assert (step.data["why"], step.data["new"]) == ("place", (at + 6 * HOUR).isoformat())


# The mail


def test_the_customer_is_told_in_a_line(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    declined(incident, cast.technician, at=at)
    taken_back(incident, cast.technician, at=at)
    closed_by(cast.owner, incident, at=at)
    taken_back(incident, cast.technician, at=at)
    first, second = OutgoingMail.objects.filter(kind="incident_taken_back").order_by("pk")
    assert "The 10 points that came back are spent on it again." in first.text
    assert "answers by Tuesday 1 December, 14:00, your time in New York" in first.text
    assert "Closing this incident was a mistake" in second.text
    assert "spent" not in second.text


@pytest.mark.rule("D16", "D20")
def test_a_re_opening_asked_for_by_phone_meanwhile_is_a_word_that_waits(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at, then="waiting")
    answered(incident, cast.technician, at=at + TICK, then="closed")
    calls.log_call(
        incident_id=incident.pk,
        contact=cast.owner,
        direction="in",
        text="It is the same again.",
        user=cast.technician,
        at=at + TICK * 2,
        key=key(),
        reopen=True,
    )
    taken_back(incident, cast.technician, at=at + TICK * 3)
    now = again(incident)
    assert (now.status, now.wrote_at, now.reopen_asked_at) == ("open", at + TICK * 2, None)
