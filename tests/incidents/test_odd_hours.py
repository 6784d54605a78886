"""What comes late, twice, or at the wrong moment: nothing is lost, and nothing goes round in circles."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from incidents.inbound import attach_held, file_mail, hold_given_up
from incidents.models import Draft, HeldMail, Incident
from incidents.services import conversation, opening, reopening
from incidents.services.common import KeyReused
from supportdesk.mail import incoming
from supportdesk.mail.models import OutgoingMail, RawMail
from tests.cast import Cast
from tests.incidents_helpers import a_report, again, answered, key, mailed, opened, raw_mail, steps

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def closed(cast: Cast, at: datetime) -> Incident:
    made = opened(cast.owner, at=at)
    answered(made, cast.technician, at=at + HOUR, then="closed")
    return again(made)


@pytest.mark.rule("D29")
def test_a_mail_whose_filer_died_before_its_row_was_made_is_held_by_the_next_run(cast: Cast, at: datetime):
    source = raw_mail(sender="otto@other.example", at=at, text="Kept")
    raw, _new = incoming.store_raw(
        source=source, mail_from="otto@other.example", rcpt_to=["x@y.example"], at=at, via="smtp"
    )
    RawMail.objects.filter(pk=raw.pk).update(outcome="held", reason="gave_up", handled_at=at)
    assert hold_given_up(at=at + HOUR) == 1
    held = HeldMail.objects.get(raw_mail=raw)
    assert (held.reason, held.sender, held.text.strip()) == ("unreadable", "otto@other.example", "Kept")
    assert hold_given_up(at=at + 2 * HOUR) == 0


@pytest.mark.rule("D29")
def test_a_mail_that_kills_its_reader_is_in_sight_all_the_same(cast: Cast, at: datetime, monkeypatch):
    source = raw_mail(sender="otto@other.example", at=at)
    raw, _new = incoming.store_raw(
        source=source, mail_from="otto@other.example", rcpt_to=["x@y.example"], at=at, via="smtp"
    )
    RawMail.objects.filter(pk=raw.pk).update(outcome="held", reason="gave_up", handled_at=at)

    def dies(raw: RawMail) -> None:
        raise MemoryError

    monkeypatch.setattr("incidents.inbound.holding.read", dies)
    with pytest.raises(MemoryError):
        hold_given_up(at=at)
    assert HeldMail.objects.get(raw_mail=raw).sender == "otto@other.example"


@pytest.mark.rule("D16", "D28")
def test_two_machines_that_answer_each_other_after_the_window_end_within_a_day(
    cast: Cast, at: datetime, closed: Incident
):
    late = at + 120 * DAY
    for n in range(10):
        mailed(sender="olive@acme.example", subject=closed.number, text=f"No. {n}", at=late + n * timedelta(seconds=5))
    assert OutgoingMail.objects.filter(kind="incident_reopening_too_late").count() == 1
    assert again(closed).messages.filter(via="mail").count() == 10


@pytest.mark.rule("R13", "D16")
def test_a_held_mail_asks_for_re_opening_from_when_it_came(cast: Cast, at: datetime, closed: Incident):
    came = at + 90 * DAY
    raw = mailed(sender="private@mail.example", subject=closed.number, at=came)
    held = HeldMail.objects.get(raw_mail=raw)
    attach_held(held_id=held.pk, incident_id=closed.pk, user=cast.technician, at=came + 2 * DAY, confirmed=True)
    assert again(closed).reopen_asked_at == came
    assert not OutgoingMail.objects.filter(kind="incident_reopening_too_late").exists()


@pytest.mark.rule("D16")
def test_a_mail_that_crossed_the_closure_asks_from_the_closure_on(cast: Cast, at: datetime, closed: Incident):
    crossed = at + HOUR / 2
    source = raw_mail(sender="olive@acme.example", subject=closed.number, at=crossed)
    raw, _new = incoming.store_raw(
        source=source, mail_from="olive@acme.example", rcpt_to=["x@y.example"], at=crossed, via="smtp"
    )
    file_mail(raw_id=raw.pk, at=at + 2 * HOUR)
    now = again(closed)
    assert (now.reopen_asked_at, now.last_at) == (closed.closed_at, closed.last_at)


def test_an_answer_sent_again_with_another_ending_is_refused(cast: Cast, at: datetime):
    incident, once = opened(cast.owner, at=at), key()
    sent: dict[str, Any] = {"incident_id": incident.pk, "text": "Try this.", "user": cast.technician, "key": once}
    first = conversation.answer(**sent, then="waiting", at=at + HOUR)
    assert conversation.answer(**sent, then="waiting", at=at + HOUR) == first
    with pytest.raises(KeyReused):
        conversation.answer(**sent, then="closed", at=at + HOUR)
    with pytest.raises(KeyReused):
        conversation.note(incident_id=incident.pk, text="Try this.", user=cast.technician, at=at + HOUR, key=once)
    assert again(incident).status == "waiting"


@pytest.mark.rule("D11", "D12")
def test_an_answer_clicked_before_a_re_opening_was_decided_answers_its_clock(
    cast: Cast, at: datetime, closed: Incident
):
    asked = conversation.customer_message(
        incident_id=closed.pk, contact=cast.owner, text="Again", via="portal", at=at + DAY, key=key()
    )
    assert asked.outcome == "request"
    reopening.accept(incident_id=closed.pk, user=cast.technician, at=at + DAY + HOUR)
    answered(closed, cast.colleague, at=at + DAY + HOUR - timedelta(milliseconds=5))
    assert closed.clocks.get(current=True).clock.outcome == "met"


@pytest.mark.rule("D27")
def test_a_held_mail_is_answered_once_in_24_hours_whatever_stands_behind_the_plus(cast: Cast, at: datetime):
    for n in range(5):
        mailed(sender=f"victim+{n}@strange.example", text=f"No. {n}", at=at + n * timedelta(minutes=1))
    mailed(sender="victim@strange.example", text="next", at=at + 23 * HOUR)
    assert OutgoingMail.objects.filter(kind="not_filed").count() == 1
    mailed(sender="victim@strange.example", text="a day later", at=at + 25 * HOUR)
    told = OutgoingMail.objects.filter(kind="not_filed")
    assert told.count() == 2
    assert "No. 0" not in told[0].text


@pytest.mark.rule("D22")
def test_a_contact_who_was_removed_gets_no_mail(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    before = OutgoingMail.objects.count()
    cast.owner.removed_at = at
    cast.owner.save()
    answered(incident, cast.technician, at=at + HOUR)
    assert OutgoingMail.objects.count() == before


@pytest.mark.rule("D8")
def test_a_draft_that_was_opened_is_not_discarded(cast: Cast, at: datetime):
    draft = opening.report_problem(report=a_report(cast.owner), at=at, key=key())
    opened(cast.owner, at=at, points=20)
    assert isinstance(draft, Draft)
    incident = opening.open_draft(draft_id=draft.pk, at=at)
    assert opening.discard_draft(draft_id=draft.pk, at=at) is False
    draft.refresh_from_db()
    assert (draft.incident, draft.discarded_at) == (incident, None)


def test_the_first_message_is_kept_as_every_other(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, text="one\r\ntwo \x00", subject=" It \n stops ")
    assert (incident.messages.get().text, incident.subject) == ("one\ntwo", "It stops")
    assert steps(incident)[0] == "opened"
