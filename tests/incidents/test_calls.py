"""Phone intake, and calls on incidents that exist (R4, R8, R9, D8, D11, D16, D20)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from incidents.models import Channel, Direction, Draft, Incident, MessageKind, TimelineCode, Via
from incidents.services import conversation, merging, opening
from incidents.services.calls import ContactGone, Logged, NoAddress, NotTheirs, log_call, open_by_phone, send_form
from incidents.services.common import KeyReused, NotAllowed, TextMissing, TextTooLong
from points.models import Charge
from points.queries import balance
from sla.models import Outcome
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact
from supportdesk.people.services import add_contact
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents_helpers import a_release, a_report, again, answered, at_once, key, opened, steps, with_points

pytestmark = pytest.mark.rule("D20")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def a_call(contact: Contact, **given: Any) -> opening.Report:
    return a_report(contact, **({"channel": Channel.PHONE} | given))


def called_in(cast: Cast, *, at: datetime, told: str = "", points: int = 30, **given: Any) -> Incident:
    """An incident that a call began."""
    if points:
        with_points(cast.acme, points, at=at)
    made = open_by_phone(report=a_call(cast.owner), answered_text=told, user=cast.technician, at=at, key=key(), **given)
    assert isinstance(made, Incident)
    return made


def call(incident: Incident, cast: Cast, *, at: datetime, **given: Any) -> Logged:
    values: dict[str, Any] = {
        "contact": cast.owner,
        "direction": "in",
        "text": "They restart it tonight.",
        "then": "open",
        "user": cast.technician,
        "key": key(),
    }
    return log_call(incident_id=incident.pk, at=at, **(values | given))


class TestIntake:
    @pytest.mark.rule("R8", "R1", "R3")
    def test_the_number_is_there_at_once_and_thirty_points_are_gone(self, cast: Cast, at: datetime):
        incident = called_in(cast, at=at, points=40)
        assert balance(customer_id=cast.acme.pk, at=at) == 10
        assert (incident.channel, incident.status, incident.owner) == (Channel.PHONE, "new", None)
        [said] = incident.messages.all()
        assert (said.kind, said.via, said.contact) == (MessageKind.CUSTOMER, Via.PHONE, cast.owner)
        step = incident.timeline.get(code=TimelineCode.OPENED)
        assert (step.user, step.contact) == (cast.technician, cast.owner)
        assert steps(incident) == ["opened", "number_mailed"]
        mail = OutgoingMail.objects.get(kind="incident_opened")
        assert "We have logged your call." in mail.text
        assert "A technician answers by" in mail.text
        assert "What you told us:" in mail.text

    @pytest.mark.rule("R8", "D11", "R6")
    def test_answered_during_the_call_is_the_response_of_the_same_instant(self, cast: Cast, at: datetime):
        incident = called_in(cast, at=at, told="Restart the store.")
        clock = incident.clocks.get().clock
        assert (clock.outcome, clock.answered_at) == (Outcome.MET, at)
        assert (again(incident).status, again(incident).owner, again(incident).wrote_at) == (
            "open",
            cast.technician,
            None,
        )
        assert steps(incident) == ["opened", "called", "taken", "status", "number_mailed"]
        _said, told = incident.messages.order_by("id")
        assert (told.kind, told.direction, told.contact, told.user) == ("call", "in", cast.owner, cast.technician)
        data = incident.timeline.get(code=TimelineCode.CALLED).data
        assert data == {"message": told.pk, "clock": clock.pk, "then": "open", "direction": "in", "outcome": "met"}
        mail = OutgoingMail.objects.get(kind="incident_opened")
        for words in (mail.text, mail.html):
            assert "Restart the store." in words
            assert "What we told you on the phone" in words
            assert "A technician answers by" not in words

    def test_what_was_solved_in_the_call_is_closed(self, cast: Cast, at: datetime):
        incident = called_in(cast, at=at, told="Restart the store.", then="closed")
        assert (again(incident).status, again(incident).first_closed_at) == ("closed", at)
        mail = OutgoingMail.objects.get(kind="incident_opened")
        assert "re-opening it is free" in mail.text
        assert called_in(cast, at=at, told="Send the log.", then="waiting").waits_since == at

    def test_only_the_subject_is_needed(self, cast: Cast, at: datetime):
        with_points(cast.acme, 30, at=at)
        report = a_call(cast.owner, text="It stops at night")
        assert isinstance(open_by_phone(report=report, user=cast.technician, at=at, key=key()), Incident)

    def test_sent_twice_is_one_incident(self, cast: Cast, at: datetime):
        with_points(cast.acme, 60, at=at)
        sent: dict[str, Any] = {
            "report": a_call(cast.owner),
            "answered_text": "Restart it.",
            "user": cast.technician,
            "at": at,
        }
        first = open_by_phone(**sent, key="the-same-key")
        assert open_by_phone(**sent | {"at": at + HOUR}, key="the-same-key") == first
        for other in (
            {"report": a_call(cast.owner, subject="Other")},
            {"answered_text": "Other."},
            {"answered_text": ""},
        ):
            with pytest.raises(KeyReused):
                open_by_phone(**sent | other, key="the-same-key")
        assert Charge.objects.count() == 1

    @pytest.mark.rule("R4")
    def test_a_community_customer_opens_none_and_is_sent_the_form(self, cast: Cast, at: datetime):
        for points in (0, 30):
            if points:
                with_points(cast.other, points, at=at)
            with pytest.raises(opening.PhoneNotForCommunity):
                open_by_phone(report=a_call(cast.stranger), user=cast.technician, at=at, key=key())
        assert not Draft.objects.exists()
        mail = send_form(contact=cast.stranger, user=cast.technician, at=at, key="send-it-once")
        assert send_form(contact=cast.stranger, user=cast.technician, at=at, key="send-it-once") == mail
        assert (mail.to_address, mail.kind) == ("otto@other.example", "form_link")
        assert "http://testserver/report/" in mail.text
        assert "Community Edition includes incidents by e-mail, 10 points each." in mail.text
        nobody = add_contact(customer_id=cast.other.pk, name="Nina", phone="+4930901820")
        with pytest.raises(NoAddress):
            send_form(contact=nobody, user=cast.technician, at=at, key=key())

    @pytest.mark.rule("D21")
    def test_a_contact_without_an_address_gets_a_number_and_no_mail(self, cast: Cast, at: datetime):
        nina = add_contact(customer_id=cast.acme.pk, name="Nina", phone="+12125550147")
        with_points(cast.acme, 30, at=at)
        incident = open_by_phone(report=a_call(nina), answered_text="Restart.", user=cast.technician, at=at, key=key())
        assert isinstance(incident, Incident)
        call(incident, cast, at=at, contact=nina, mail=True, then="closed")
        assert not OutgoingMail.objects.filter(kind__startswith="incident_").exists()
        assert "number_mailed" not in steps(incident)

    @pytest.mark.rule("R12")
    def test_what_is_refused_leaves_nothing(self, cast: Cast, at: datetime):
        with_points(cast.acme, 30, at=at)
        old = a_release(name="1.0", until=at.date() - DAY)
        with pytest.raises(opening.ReleaseNotCurrent):
            open_by_phone(report=a_call(cast.owner, release_id=old.pk), user=cast.technician, at=at, key=key())
        long = "x" * (POLICY.text_max + 1)
        with pytest.raises(TextTooLong):
            open_by_phone(report=a_call(cast.owner), answered_text=long, user=cast.technician, at=at, key=key())
        Contact.objects.filter(pk=cast.owner.pk).update(removed_at=at)
        with pytest.raises(ContactGone):
            open_by_phone(report=a_call(cast.owner), user=cast.technician, at=at, key=key())
        assert not Incident.objects.exists()
        assert balance(customer_id=cast.acme.pk, at=at) == 30


@pytest.mark.rule("D8")
class TestShortOfPoints:
    def kept(self, cast: Cast, *, at: datetime, told: str = "Restart it.") -> Draft:
        with_points(cast.acme, 10, at=at)
        made = open_by_phone(
            report=a_call(cast.owner), answered_text=told, user=cast.technician, at=at, key="kept-as-a-draft"
        )
        assert isinstance(made, Draft)
        return made

    def test_a_draft_is_kept_and_opens_when_the_points_arrive(self, cast: Cast, at: datetime):
        draft = self.kept(cast, at=at)
        assert (draft.channel, draft.logged_by, draft.answer) == (Channel.PHONE, cast.technician, "Restart it.")
        assert not Incident.objects.exists()
        with_points(cast.acme, 20, at=at)
        # The form sent once more stays the draft that it is: it opens by its own click.
        sent: dict[str, Any] = {
            "report": a_call(cast.owner),
            "user": cast.technician,
            "at": at,
            "key": "kept-as-a-draft",
        }
        assert open_by_phone(**sent, answered_text="Restart it.") == draft
        with pytest.raises(KeyReused):
            open_by_phone(**sent, answered_text="Another.")
        incident = opening.open_draft(draft_id=draft.pk, at=at + HOUR, user=cast.colleague)
        assert opening.open_draft(draft_id=draft.pk, at=at + HOUR, user=cast.technician) == incident
        assert incident.timeline.get(code=TimelineCode.OPENED).user == cast.colleague
        said, told = incident.messages.order_by("id")
        assert (said.via, told.user, told.text) == (Via.PHONE, cast.technician, "Restart it.")
        assert incident.clocks.get().clock.outcome == Outcome.MET
        assert balance(customer_id=cast.acme.pk, at=at + HOUR) == 0

    def test_the_customer_opens_it_as_well(self, cast: Cast, at: datetime):
        draft = self.kept(cast, at=at, told="")
        with_points(cast.acme, 20, at=at)
        incident = opening.open_draft(draft_id=draft.pk, at=at + HOUR)
        assert incident.messages.get().via == Via.PHONE
        assert Charge.objects.get().actor == cast.owner.user
        assert incident.clocks.get().clock.outcome == Outcome.RUNNING

    @pytest.mark.rule("R4")
    def test_not_once_the_edition_is_another(self, cast: Cast, at: datetime):
        draft = self.kept(cast, at=at)
        with_points(cast.acme, 20, at=at)
        type(cast.acme).objects.filter(pk=cast.acme.pk).update(edition="community")
        with pytest.raises(opening.PhoneNotForCommunity):
            opening.open_draft(draft_id=draft.pk, at=at, user=cast.technician)
        assert not Incident.objects.exists()


def test_two_technicians_open_one_draft(committed_cast: Cast, at: datetime):
    cast = committed_cast
    draft = open_by_phone(report=a_call(cast.owner), answered_text="Yes.", user=cast.technician, at=at, key=key())
    with_points(cast.acme, 60, at=at)
    by = [
        lambda user=user: opening.open_draft(draft_id=draft.pk, at=at, user=user)
        for user in (cast.technician, cast.colleague)
    ]
    first, second = at_once(*by)
    assert first == second == Incident.objects.get()
    assert balance(customer_id=cast.acme.pk, at=at) == 30


def test_one_form_at_once_is_one_incident(committed_cast: Cast, at: datetime):
    cast = committed_cast
    with_points(cast.acme, 60, at=at)
    report = a_call(cast.owner)
    sent = lambda: open_by_phone(  # noqa: E731
        report=report, answered_text="Yes.", user=cast.technician, at=at, key="at-once-and-again"
    )
    first, second = at_once(sent, sent)
    assert first == second == Incident.objects.get()
    assert first.messages.count() == 2


class TestACallOnAnIncident:
    @pytest.mark.rule("D11", "R9", "R6")
    @pytest.mark.parametrize("direction", list(Direction))
    def test_it_is_the_response_and_costs_nothing(self, cast: Cast, at: datetime, direction: str):
        incident = opened(cast.owner, at=at, points=20)
        mails = OutgoingMail.objects.count()
        done = call(incident, cast, at=at + HOUR, direction=direction, then="waiting")
        assert done.outcome == "answered"
        assert balance(customer_id=cast.acme.pk, at=at) == 10
        clock = incident.clocks.get().clock
        assert (clock.outcome, clock.answered_at) == (Outcome.MET, at + HOUR)
        found = again(incident)
        assert (found.status, found.owner, found.last_at, found.waits_since) == (
            "waiting",
            cast.technician,
            at + HOUR,
            at + HOUR,
        )
        assert (done.message.direction, done.message.via) == (direction, Via.PHONE)
        assert steps(incident)[-3:] == ["called", "taken", "status"]
        assert OutgoingMail.objects.count() == mails

    def test_one_that_is_anothers_stays_theirs(self, cast: Cast, at: datetime):
        incident = opened(cast.owner, at=at)
        answered(incident, cast.colleague, at=at)
        call(incident, cast, at=at + HOUR)
        assert again(incident).owner == cast.colleague
        assert "outcome" not in incident.timeline.get(code=TimelineCode.CALLED).data

    @pytest.mark.rule("D16", "D36")
    def test_closing_by_call_is_a_closure(self, cast: Cast, at: datetime):
        incident = opened(cast.owner, at=at)
        conversation.customer_message(
            incident_id=incident.pk, contact=cast.owner, text="Still?", via=Via.PORTAL, at=at, key=key()
        )
        call(incident, cast, at=at + HOUR, then="closed", mail=True)
        found = again(incident)
        assert (found.status, found.first_closed_at, found.wrote_at) == ("closed", at + HOUR, None)
        mail = OutgoingMail.objects.get(kind="incident_closed")
        assert "They restart it tonight." in mail.text

    def test_it_goes_by_mail_as_well_only_where_that_is_asked(self, cast: Cast, at: datetime):
        incident = opened(cast.owner, at=at)
        done = call(incident, cast, at=at, mail=True)
        mail = OutgoingMail.objects.get(kind="incident_called")
        assert "From our call with Olive Owner:" in mail.text
        assert mail.link.message == done.message

    def test_sent_twice_is_one_call(self, cast: Cast, at: datetime):
        incident = opened(cast.owner, at=at)
        first = call(incident, cast, at=at, key="the-same-call")
        assert call(incident, cast, at=at + HOUR, key="the-same-call") == first
        for other in ({"text": "Other."}, {"direction": "out"}, {"then": "closed"}, {"contact": cast.restricted}):
            with pytest.raises(KeyReused):
                call(incident, cast, at=at, **({"key": "the-same-call"} | other))
        assert incident.messages.filter(kind="call").count() == 1

    @pytest.mark.rule("D16", "D10")
    def test_on_a_closed_one_it_is_kept_and_changes_nothing(self, cast: Cast, at: datetime):
        incident = opened(cast.owner, at=at)
        answered(incident, cast.technician, at=at, then="closed")
        before = again(incident)
        done = call(incident, cast, at=at + DAY, then="waiting", key="kept-on-closed")
        assert done.outcome == "kept"
        assert call(incident, cast, at=at + DAY, then="waiting", key="kept-on-closed") == done
        found = again(incident)
        assert (found.status, found.closed_at, found.reopen_asked_at) == ("closed", before.closed_at, None)
        assert found.last_at == at + DAY
        assert steps(incident)[-1] == "called"

    @pytest.mark.rule("D16", "R13")
    def test_the_same_problem_by_phone_asks_to_re_open(self, cast: Cast, at: datetime):
        incident = opened(cast.owner, at=at)
        answered(incident, cast.technician, at=at, then="closed")
        done = call(incident, cast, at=at + DAY, reopen=True, key="it-is-back")
        assert done.outcome == "request"
        assert call(incident, cast, at=at + DAY, reopen=True, key="it-is-back") == done
        assert again(incident).reopen_asked_at == at + DAY
        step = incident.timeline.get(code=TimelineCode.REOPEN_ASKED)
        assert (step.user, step.contact) == (None, cast.owner)

    @pytest.mark.rule("D16", "R13")
    def test_by_phone_after_the_window_it_is_too_late(self, cast: Cast, at: datetime):
        incident = opened(cast.owner, at=at)
        answered(incident, cast.technician, at=at, then="closed")
        late = call(incident, cast, at=at + (POLICY.reopen_days + 2) * DAY, reopen=True)
        assert late.outcome == "too_late"
        assert again(incident).reopen_asked_at is None

    @pytest.mark.rule("D21", "D22")
    def test_who_may_not_see_it_is_told_nothing_of_it(self, cast: Cast, at: datetime):
        incident = opened(cast.owner, at=at)
        for contact in (cast.restricted, cast.stranger):
            with pytest.raises(NotTheirs):
                call(incident, cast, at=at, contact=contact)
        assert not incident.messages.filter(kind="call").exists()
        theirs = opened(cast.restricted, at=at)
        assert call(theirs, cast, at=at, contact=cast.owner).outcome == "answered"

    def test_what_is_refused_leaves_nothing(self, cast: Cast, at: datetime):
        incident = opened(cast.owner, at=at)
        with pytest.raises(TextMissing):
            call(incident, cast, at=at, text=" \x00 ")
        with pytest.raises(ValueError, match="leaves an incident"):
            call(incident, cast, at=at, then="declined")
        with pytest.raises(ValueError, match="sideways"):
            call(incident, cast, at=at, direction="sideways")
        other = opened(cast.owner, at=at)
        answered(incident, cast.technician, at=at, then="closed")
        Incident.objects.filter(pk=incident.pk).update(merged_into=other, merged_at=at)
        with pytest.raises(NotAllowed):
            call(incident, cast, at=at)
        assert not incident.messages.filter(kind="call").exists()

    @pytest.mark.rule("D10")
    def test_what_waits_already_waits_anew(self, cast: Cast, at: datetime):
        incident = opened(cast.owner, at=at)
        answered(incident, cast.technician, at=at, then="waiting")
        call(incident, cast, at=at + HOUR, then="waiting")
        assert again(incident).waits_since == at + HOUR

    @pytest.mark.rule("D35")
    def test_a_key_of_a_call_that_came_with_a_merge_is_refused(self, cast: Cast, at: datetime):
        source, target = opened(cast.owner, at=at), opened(cast.owner, at=at)
        call(source, cast, at=at, key="one key")
        merging.merge(incident_id=source.pk, into_id=target.pk, user=cast.technician, at=at + HOUR)
        with pytest.raises(KeyReused):
            call(target, cast, at=at + HOUR, key="one key")
