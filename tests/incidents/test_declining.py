"""Declining: the points come back in full, the clock ends, the customer reads where to turn (R11, D15)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from incidents.cases import CaseState
from incidents.services import declining, reopening
from incidents.services.common import BugUndecided, KeyReused, NotAllowed, TextMissing, TextTooLong
from incidents.turning import REASONS, turn_of, turns
from points.models import Entry, GiveBack, Lot
from points.queries import balance
from points.refusals import AlreadyGivenBack
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents.crediting import decide, marked
from tests.incidents.ending import clock_of, closed_by, declined, everything, step_of, taken_back, wrote
from tests.incidents_helpers import again, answered, key, opened, steps, with_points

pytestmark = pytest.mark.rule("D15")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.mark.rule("R11", "D3", "D10")
def test_a_decline_is_one_step(cast: Cast, at: datetime):
    with_points(cast.acme, 4, at=at - 200 * DAY)
    with_points(cast.acme, 30, at=at)
    incident = opened(cast.owner, at=at, points=0)
    message = declined(incident, cast.technician, at=at + HOUR)
    now = again(incident)
    assert (now.status, now.decline_reason, now.closed_at) == ("declined", "tuning", at + HOUR)
    assert (now.first_closed_at, now.wrote_at, now.owner) == (None, None, None)
    assert balance(customer_id=cast.acme.pk, at=at + HOUR) == 34
    credits_ = Lot.objects.filter(from_charge=incident.charges.get().charge).order_by("expires_at")
    assert [lot.points for lot in credits_] == [4, 6], "with the life that they had"
    assert all(lot.expires_at == lot.from_lot.expires_at + HOUR for lot in credits_ if lot.from_lot)
    assert steps(incident)[-1] == "declined"
    assert (message.kind, message.user) == ("answer", cast.technician)
    mail = OutgoingMail.objects.get(kind="incident_declined")
    for word in (
        "This is tuning.",
        "https://www.quillmark.example/services/",
        "Points back: 10 points",
        "4 points, valid until",
    ):
        assert word in mail.text
        assert word in mail.html
    assert mail.to_address == "olive@acme.example"


@pytest.mark.rule("D12", "D11")
@pytest.mark.parametrize(
    ("after", "outcome"), [(4 * HOUR, "declined"), (4 * HOUR + timedelta(microseconds=1), "breached")]
)
def test_it_is_a_breach_from_the_first_late_microsecond_on(cast: Cast, at: datetime, after: timedelta, outcome: str):
    incident = opened(cast.owner, at=at)
    declined(incident, cast.technician, at=at + after)
    clock = clock_of(incident)
    assert (clock.outcome, clock.answered_at, clock.ended_at) == (outcome, None, at + after)
    assert step_of(incident, "declined").data["outcome"] == outcome


@pytest.mark.rule("D11")
def test_what_was_answered_keeps_its_answer(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at + HOUR)
    declined(incident, cast.technician, at=at + 9 * HOUR)
    assert (clock_of(incident).outcome, again(incident).waits_since) == ("met", None)


def test_sent_twice_it_is_one(cast: Cast, at: datetime):
    incident, once = opened(cast.owner, at=at), key()
    first = declined(incident, cast.technician, at=at + HOUR, key=once)
    before = everything()
    assert declined(incident, cast.technician, at=at + 2 * HOUR, key=once) == first
    for other in ({"text": "Other"}, {"reason": "capacity"}):
        with pytest.raises(KeyReused):
            declined(incident, cast.technician, at=at + 2 * HOUR, key=once, **other)
    with pytest.raises(NotAllowed):
        declined(incident, cast.colleague, at=at + 2 * HOUR)
    assert everything() == before


@pytest.mark.parametrize(
    ("given", "refusal"),
    [({"text": " \x00"}, TextMissing), ({"text": "x" * 100_001}, TextTooLong), ({"reason": "feature"}, ValueError)],
)
def test_bad_words_change_nothing(cast: Cast, at: datetime, given: dict[str, Any], refusal: type[Exception]):
    incident = opened(cast.owner, at=at)
    before = everything()
    with pytest.raises(refusal):
        declined(incident, cast.technician, at=at, **given)
    assert everything() == before


def test_what_was_closed_once_is_not_declined_any_more(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at, then="closed")
    with pytest.raises(NotAllowed):
        declined(incident, cast.technician, at=at + HOUR)
    wrote(cast.owner, incident, at=at + DAY)
    reopening.accept(incident_id=incident.pk, user=cast.technician, at=at + DAY)
    before = everything()
    with pytest.raises(declining.ClosedBefore):
        declined(incident, cast.technician, at=at + DAY)
    assert everything() == before


@pytest.mark.rule("D36")
def test_a_closure_that_was_taken_back_was_none(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at, then="closed")
    taken_back(incident, cast.technician, at=at + HOUR)
    declined(incident, cast.technician, at=at + HOUR)
    assert again(incident).status == "declined"


@pytest.mark.rule("D4", "D17")
def test_what_a_bug_gave_back_does_not_come_back_twice(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    decide(marked(incident, cast, at=at), cast, at=at)
    entries = Entry.objects.count()
    declined(incident, cast.technician, at=at + HOUR)
    assert (again(incident).status, step_of(incident, "declined").data["back"]) == ("declined", 0)
    assert (Entry.objects.count(), GiveBack.objects.count()) == (entries, 1)
    assert "Points back" not in OutgoingMail.objects.get(kind="incident_declined").text
    taken_back(incident, cast.technician, at=at + HOUR)
    assert incident.charges.count() == 1, "nor is it spent twice"


@pytest.mark.rule("D4", "D17")
def test_a_bug_that_is_not_determined_is_the_admins_first(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    case = marked(incident, cast, at=at)
    before = everything()
    with pytest.raises(BugUndecided):
        declined(incident, cast.technician, at=at)
    assert everything() == before
    decide(case, cast, "refused", at=at, reason="It is no bug.")
    declined(incident, cast.technician, at=at)
    assert step_of(incident, "declined").data["back"] == 10
    case.refresh_from_db()
    assert case.state == CaseState.DETERMINED


@pytest.mark.rule("D4")
def test_what_was_declined_is_no_bug_any_more(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    declined(incident, cast.technician, at=at)
    with pytest.raises(AlreadyGivenBack):
        marked(incident, cast, at=at)


@pytest.mark.rule("D16")
def test_what_the_customer_writes_to_a_decline_is_kept_and_waits_for_us(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    declined(incident, cast.technician, at=at + HOUR)
    assert wrote(cast.owner, incident, at=at + 2 * HOUR).outcome == "added"
    wrote(cast.owner, incident, at=at + 3 * HOUR)
    now = again(incident)
    assert (now.status, now.wrote_at, now.reopen_asked_at) == ("declined", at + 2 * HOUR, None)
    assert now.messages.filter(kind="customer").count() == 3


def test_a_mail_that_crossed_the_decline_waits_since_the_decline(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    declined(incident, cast.technician, at=at + HOUR)
    wrote(cast.owner, incident, at=at + HOUR / 2)
    assert again(incident).wrote_at == at + HOUR


def test_an_incident_that_the_customer_closed_is_not_declined(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    closed_by(cast.owner, incident, at=at)
    with pytest.raises(NotAllowed):
        declined(incident, cast.technician, at=at)


@pytest.mark.rule("R11")
def test_each_reason_has_its_words_and_its_helpers(settings: Any):
    settings.TURN_TO_SERVICES = "+1 800 555 0100"
    assert [turn.kind for turn in turns()] == list(REASONS)
    for turn in turns():
        assert turn.name
        assert turn.why
        assert 2 <= len(turn.helpers) <= 3
        assert (turn.why in turn.words) == (turn.kind != "other")
    assert turn_of("tuning").helpers[0].address == "+1 800 555 0100"
    assert turn_of("never heard of").kind == "other"


@pytest.mark.rule("R11")
def test_a_reason_that_is_not_on_the_list_is_something_else(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    declined(incident, cast.technician, at=at, reason="other", text="We sell no such thing.")
    assert (again(incident).decline_reason, step_of(incident, "declined").data["reason"]) == ("", "other")
