"""Mails that do not arrive: their address is marked once, staff are told once, and nothing else can do it (D28)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.access import timeline_for
from incidents.models import HeldMail, Incident, Message, Notice
from incidents.services import following, merging, ownership
from incidents.services.bouncing import came_back, judge_refused, mail_works, works_again
from incidents.stories import say
from incidents.tasks import tell_of_failures
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.mail.outgoing import queue_mail, retry, spellings
from supportdesk.mail.reports import Bounce
from supportdesk.mail.tokens import bounce_address, reply_address
from supportdesk.people.models import Contact, User
from supportdesk.people.scope import scope_of, scope_of_contact
from tests.cast import Cast
from tests.incidents.told import a_mate, by_mail, follows, on_page
from tests.incidents_helpers import DESK, again, answered, at_once, delivered, mailed, opened, raw_mail, steps
from tests.mail.samples import samples
from tests.mail.smtp import mail_server
from tests.mail.test_outgoing import deliver

pytestmark = pytest.mark.rule("D28")
HOUR = timedelta(hours=1)
FULL = Bounce(address="olive@acme.example", status="5.2.2", diagnostic="552 5.2.2 Mailbox full")


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    """The technician's, answered by mail."""
    made = opened(cast.owner, at=at)
    ownership.take(incident_id=made.pk, user=cast.technician, at=at)
    answered(made, cast.technician, at=at)
    return again(made)


def ours(to: str = "olive@acme.example") -> OutgoingMail:
    """Our latest answer to that address."""
    return OutgoingMail.objects.filter(kind="incident_answered", to_address=to).latest("id")


def report(
    *, failed: str = "olive@acme.example", action: str = "failed", status: str = "5.2.2", returned: str = "",
    diagnostic: str = "552 5.2.2 Mailbox full", number: int = 1, to: str = DESK,
) -> bytes:  # fmt: skip
    """A delivery report as RFC 3464 has it."""
    head = (
        "From: MAILER-DAEMON@mx.acme.example",
        f"To: {to}",
        f"Message-ID: <report.{number}@mx.acme.example>",
        f"Date: Tue, 1 Dec 2026 10:{number:02}:00 -0500",
        "Subject: Undelivered",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=cut",
        "",
        "--cut",
        "Content-Type: text/plain",
        "",
        "It could not be delivered.",
        "--cut",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.acme.example",
        "",
        f"Final-Recipient: rfc822; {failed}",
        f"Action: {action}",
        f"Status: {status}",
        f"Diagnostic-Code: smtp; {diagnostic}",
        "",
    )
    back = ("--cut", "Content-Type: text/rfc822-headers", "", f"Message-ID: {returned}", "Subject: Ours", "")
    return "\r\n".join((*head, *(back if returned else ()), "--cut--", "")).encode()


def came(source: bytes, *, at: datetime, to: str = DESK) -> RawMail:
    return delivered(source, at=at, mail_from="", to=to)


def envelope(mail: OutgoingMail) -> str:
    return bounce_address(mail_id=mail.pk)


def mark(contact: Contact) -> tuple[datetime | None, str]:
    contact = Contact.objects.get(pk=contact.pk)
    return contact.bounced_at, contact.bounce


UNMARKED = (None, "")


def bounces(user: User) -> int:
    return on_page(user).count("bounce")


class TestReports:
    def test_by_the_envelope_alone(self, cast: Cast, incident: Incident, at: datetime):
        """Nothing in it names our mail but the address that it came to."""
        raw = came(report(), at=at + HOUR, to=envelope(ours()))
        assert (raw.outcome, raw.reason) == ("automatic", "delivery report")
        assert mark(cast.owner) == (at + HOUR, "5.2.2 Mailbox full")
        mail = ours()
        assert (mail.bounced_at, mail.bounce, mail.state) == (at + HOUR, "5.2.2 Mailbox full", "bounced")
        assert Message.objects.get(raw_mail=raw).incident == incident
        assert bounces(cast.technician) == 1
        assert bounces(cast.colleague) == bounces(cast.admin) == 0

    def test_by_the_message_id_with_the_recipient(self, cast: Cast, incident: Incident, at: datetime):
        came(report(returned=ours().message_id), at=at + HOUR)
        assert mark(cast.owner) == (at + HOUR, "5.2.2 Mailbox full")
        assert bounces(cast.technician) == 1

    def test_by_the_message_id_alone_it_comes_from_the_empty_return_path(
        self, cast: Cast, incident: Incident, at: datetime
    ):
        """A person who got our mail can write a report, too: it is kept, and says nothing of the address."""
        raw = delivered(report(returned=ours().message_id), at=at + HOUR, mail_from="rufus@acme.example")
        assert raw.outcome == "automatic"
        assert mark(cast.owner) == UNMARKED
        assert ours().bounced_at is None
        delivered(report(number=2), at=at + HOUR, mail_from="rufus@acme.example", to=envelope(ours()))
        assert mark(cast.owner) == (at + HOUR, "5.2.2 Mailbox full")

    @pytest.mark.rule("D10", "D34")
    def test_a_step_inside_with_ids_and_codes_alone(self, cast: Cast, incident: Incident, at: datetime):
        came(report(), at=at + HOUR, to=envelope(ours()))
        step = timeline_for(scope_of(cast.technician), incident).get(code="mail_bounced")
        assert step.data == {"mail": ours().pk, "reader": cast.owner.pk}
        assert say(step) == "A mail to Olive Owner came back"
        assert not timeline_for(scope_of_contact(cast.owner), incident).filter(code="mail_bounced").exists()

    def test_it_changes_nothing_else(self, cast: Cast, incident: Incident, at: datetime):
        sent = OutgoingMail.objects.exclude(kind__startswith="staff_").count()
        before = again(incident)
        came(report(), at=at + HOUR, to=envelope(ours()))
        after = again(incident)
        assert (after.status, after.wrote_at, after.waits_since) == (before.status, before.wrote_at, before.waits_since)
        assert OutgoingMail.objects.exclude(kind__startswith="staff_").count() == sent, "a report is never answered"
        answered(incident, cast.technician, at=at + 2 * HOUR)
        assert OutgoingMail.objects.exclude(kind__startswith="staff_").count() == sent + 1, (
            "mails are written as before"
        )

    def test_where_nobody_has_it_everyone_is_told(self, cast: Cast, at: datetime):
        opened(cast.owner, at=at)
        mail = OutgoingMail.objects.get(kind="incident_opened")
        came(report(), at=at, to=envelope(mail))
        assert bounces(cast.technician) == bounces(cast.colleague) == 1

    def test_twice_is_once(self, cast: Cast, incident: Incident, at: datetime):
        for number in (1, 1, 2):
            came(report(number=number, returned=ours().message_id), at=at + number * HOUR, to=envelope(ours()))
        assert mark(cast.owner)[0] == at + HOUR
        assert steps(incident).count("mail_bounced") == 1

    def test_for_good_and_after_days(self, cast: Cast, incident: Incident, at: datetime):
        came(report(status="4.4.7", diagnostic="delivery time expired"), at=at, to=envelope(ours()))
        assert mark(cast.owner) == (at, "4.4.7 delivery time expired")

    def test_late_marks_nothing(self, cast: Cast, incident: Incident, at: datetime):
        late = report(action="delayed", status="4.2.0", returned=ours().message_id)
        raw = came(late, at=at, to=envelope(ours()))
        assert (raw.outcome, raw.reason) == ("automatic", "delivery delayed")
        assert mark(cast.owner) == UNMARKED
        assert bounces(cast.technician) == 0

    def test_an_absence_marks_nothing_and_finds_its_incident(self, cast: Cast, incident: Incident, at: datetime):
        """By RFC 3834 it goes where bounces go, and it need not name the mail that it answers."""
        away = raw_mail(sender="olive@acme.example", at=at, text="550 5.1.1 I am away", Auto_Submitted="auto-replied")
        raw = came(away, at=at, to=envelope(ours()))
        assert (raw.outcome, Message.objects.get(raw_mail=raw).incident) == ("automatic", incident)
        assert mark(cast.owner) == UNMARKED
        assert bounces(cast.technician) == 0

    def test_our_own_fault_is_told_and_marks_nobody(self, cast: Cast, incident: Incident, at: datetime):
        blocked = report(status="5.7.1", diagnostic="550 5.7.1 Client host blocked")
        came(blocked, at=at, to=envelope(ours()))
        assert mark(cast.owner) == UNMARKED
        assert (ours().bounced_at, bounces(cast.technician)) == (at, 1)

    def test_a_forwarded_mail_comes_back_from_elsewhere(self, cast: Cast, incident: Incident, at: datetime):
        came(report(failed="olive@home.example"), at=at, to=envelope(ours()))
        assert mark(cast.owner) == (at, "5.2.2 Mailbox full")

    @pytest.mark.rule("D38")
    def test_a_followers_address_is_the_followers(self, cast: Cast, incident: Incident, at: datetime):
        mate = a_mate(cast.acme)
        follows(incident, mate, cast, at=at)
        answered(incident, cast.technician, at=at + HOUR)
        came(report(failed=mate.email), at=at + HOUR, to=envelope(ours(mate.email)))
        assert (mark(cast.owner), mark(mate)[0]) == (UNMARKED, at + HOUR)
        step = timeline_for(scope_of(cast.technician), incident).get(code="mail_bounced")
        assert say(step) == "A mail to Mia Mate came back"
        following.remove_follower(incident_id=incident.pk, contact_id=mate.pk, user=cast.technician, at=at)

    @pytest.mark.rule("D21")
    def test_one_address_with_two_customers_is_marked_with_both(self, cast: Cast, incident: Incident, at: datetime):
        there = Contact.objects.create(customer=cast.other, name="Olive Again", email="Olive@acme.example")
        came(report(), at=at, to=envelope(ours()))
        assert mark(cast.owner) == mark(there) == (at, "5.2.2 Mailbox full")

    def test_who_was_removed_or_has_another_address_now_is_not_marked(
        self, cast: Cast, incident: Incident, at: datetime
    ):
        mail = ours()
        Contact.objects.filter(pk=cast.owner.pk).update(removed_at=at)
        other = Contact.objects.create(customer=cast.other, name="Gone", email="gone@other.example")
        came(report(), at=at, to=envelope(mail))
        assert mark(cast.owner) == mark(other) == UNMARKED
        assert (ours().bounced_at, bounces(cast.technician)) == (at, 1)

    def test_after_a_merge_it_is_told_where_the_incident_leads(self, cast: Cast, incident: Incident, at: datetime):
        into = opened(cast.owner, at=at)
        merging.merge(incident_id=incident.pk, into_id=into.pk, user=cast.technician, at=at)
        came(report(), at=at, to=envelope(ours()))
        assert "mail_bounced" in steps(into)
        assert "mail_bounced" not in steps(incident)

    def test_a_domain_of_its_own_letters(self, cast: Cast, at: datetime):
        Contact.objects.filter(pk=cast.owner.pk).update(email="olive@bücher.example")
        opened(Contact.objects.get(pk=cast.owner.pk), at=at)
        mail = OutgoingMail.objects.get(kind="incident_opened")
        assert mail.to_address == "olive@xn--bcher-kva.example"
        came(report(failed="olive@xn--bcher-kva.example", returned=mail.message_id), at=at)
        assert mark(cast.owner)[0] == at
        assert works_again(address="olive@bücher.example", at=at) == 1
        assert spellings("Olive@xn--bcher-kva.example") == ("olive@xn--bcher-kva.example", "olive@bücher.example")


MORE = ("qmail", "exim-of-old")


@pytest.mark.parametrize(
    "sample",
    [one for one in samples() if one.group == "reports" and ("failed" in one.path.stem or one.path.stem in MORE)],
    ids=str,
)
@pytest.mark.parametrize("by_envelope", [True, False])
def test_the_dialects_of_servers(cast: Cast, incident: Incident, at: datetime, sample: Any, by_envelope: bool):
    values = {
        "number": incident.number,
        "shown": incident.shown_number,
        "reply": reply_address(incident_id=incident.pk, contact_id=cast.owner.pk),
        "message_id": "<of@nobody.example>" if by_envelope else ours().message_id,
        "desk": DESK,
    }
    expected = sample.expected(values)
    came(sample.source(values), at=at, to=envelope(ours()) if by_envelope else DESK)
    named = by_envelope or "olive@acme.example" in expected.get("bounced", [])
    assert (mark(cast.owner)[0] is not None) == named


class TestForged:
    @pytest.mark.parametrize(
        "made",
        [
            {},
            {"returned": "<1.of@nobody.example>"},
            {"returned": "<of.another.recipient>"},
        ],
        ids=["of nothing", "of no mail of ours", "of a mail to somebody else"],
    )
    def test_a_report_without_proof_marks_nothing(
        self, cast: Cast, incident: Incident, at: datetime, made: dict[str, str]
    ):
        answered(opened(cast.stranger, at=at), cast.technician, at=at)
        if made.get("returned") == "<of.another.recipient>":
            made = {"returned": ours("otto@other.example").message_id}
        came(report(returned=made.get("returned", "")), at=at)
        assert mark(cast.owner) == mark(cast.stranger) == UNMARKED
        assert not OutgoingMail.objects.filter(bounced_at__isnull=False).exists()

    @pytest.mark.parametrize("damage", ["mac", "id", "domain", "reply"])
    def test_an_address_that_we_never_made(self, cast: Cast, incident: Incident, at: datetime, damage: str):
        local, _at, domain = envelope(ours()).partition("@")
        to = {
            "mac": f"{local[:-1]}{'a' if local[-1] != 'a' else 'b'}@{domain}",
            "id": f"{local.replace(str(ours().pk), str(ours().pk - 1), 1)}@{domain}",
            "domain": f"{local}@elsewhere.example",
            "reply": reply_address(incident_id=incident.pk, contact_id=cast.owner.pk),
        }[damage]
        came(report(), at=at, to=to)
        assert mark(cast.owner) == UNMARKED

    def test_a_person_who_words_it_like_a_report(self, cast: Cast, incident: Incident, at: datetime):
        text = "Hi. This is the qmail-send program\n\n<olive@acme.example>:\nNo such user"
        mailed(sender="rival@strange.example", at=at, text=text, In_Reply_To=ours().message_id, to=envelope(ours()))
        assert mark(cast.owner) == UNMARKED

    def test_what_fails_dmarc_is_held(self, cast: Cast, incident: Incident, at: datetime):
        failed = b"Authentication-Results: support.quillmark.example; dmarc=fail\r\n"
        came(failed + report(returned=ours().message_id), at=at)
        assert mark(cast.owner) == UNMARKED

    def test_a_flood_of_forged_reports_cannot_stop_a_mail(self, cast: Cast, incident: Incident, at: datetime):
        for number in range(1, 6):
            came(report(number=number, returned=ours().message_id), at=at)
        assert bounces(cast.technician) == 1, "each is kept, and says nothing new"
        answered(incident, cast.technician, at=at + HOUR)
        assert ours().sent_at is None
        assert ours().next_try_at == at + HOUR


class TestNoIncident:
    def _mail(self, at: datetime, to: str = "olive@acme.example") -> OutgoingMail:
        return queue_mail(
            to_address=to, to_name="", subject="Points end", text="Soon", at=at, kind="points_warning", key=f"k:{to}"
        )

    def test_it_is_marked_all_the_same_and_admins_are_told(self, cast: Cast, at: datetime):
        raw = came(report(), at=at, to=envelope(self._mail(at)))
        assert (raw.outcome, HeldMail.objects.count()) == ("automatic", 0)
        assert mark(cast.owner) == (at, "5.2.2 Mailbox full")
        assert (bounces(cast.admin), bounces(cast.technician)) == (1, 0)
        notice = Notice.objects.get(user=cast.admin, code="bounce")
        assert (notice.incident, notice.data["contact"]) == (None, cast.owner.pk)

    def test_an_absence_is_kept_and_waits_for_nobody(self, cast: Cast, at: datetime):
        away = raw_mail(sender="olive@acme.example", at=at, text="Away", Auto_Submitted="auto-replied")
        assert came(away, at=at, to=envelope(self._mail(at))).outcome == "automatic"
        assert (HeldMail.objects.count(), mark(cast.owner)) == (0, UNMARKED)

    def test_whom_nobody_knows_marks_the_mail_alone(self, cast: Cast, at: datetime):
        mail = self._mail(at, "who@strange.example")
        came(report(failed="who@strange.example"), at=at, to=envelope(mail))
        mail.refresh_from_db()
        assert mail.bounced_at == at
        assert not Notice.objects.exists()

    def test_a_report_about_a_report_comes_from_us_and_is_never_answered(self, cast: Cast, at: datetime):
        staff = self._mail(at, "tess@desk.example")
        before = OutgoingMail.objects.count()
        came(report(failed="tess@desk.example"), at=at, to=envelope(staff))
        came(report(failed=DESK, number=2), at=at, to="MAILER-DAEMON@support.quillmark.example")
        assert OutgoingMail.objects.count() == before


class TestRefused:
    @pytest.fixture
    def server(self, settings: Any) -> Iterator[Any]:
        with mail_server(settings) as running:
            yield running

    def _refuses(self, server: Any, at: datetime, *, rcpt: str = "", data: str = "") -> None:
        OutgoingMail.objects.exclude(kind="incident_answered").update(sent_at=at)
        server.rcpt, server.data = rcpt or server.rcpt, data or server.data
        deliver(at)

    def test_at_sending_it_is_marked_and_told_the_same_way(
        self, cast: Cast, incident: Incident, at: datetime, server: Any
    ):
        self._refuses(server, at, rcpt="550 5.1.1 No such user. Goodbye.")
        with clock.set_to(at):
            for _time in range(2):
                tell_of_failures()
        assert mark(cast.owner) == (at, "5.1.1 No such user")
        assert (ours().state, ours().bounced_at) == ("failed", at)
        assert (bounces(cast.technician), steps(incident).count("mail_bounced")) == (1, 1)
        assert on_page(cast.admin) == by_mail(cast.admin) == [], "told once, not as a failure of ours besides"

    @pytest.mark.parametrize(
        ("where", "answer", "at_fault"),
        [
            ("rcpt", "550 5.7.1 Relaying denied", False),
            ("rcpt", "550 relay not permitted", False),
            ("rcpt", "550 Unknown", True),
            ("data", "552 5.2.2 Over quota", True),
            ("data", "554 Transaction failed", False),
            ("data", "550 5.7.1 Looks like spam", False),
            ("data", "552 5.3.4 Too large", False),
        ],
    )
    def test_our_own_fault_is_a_failure_of_the_outbox(
        self, cast: Cast, incident: Incident, at: datetime, server: Any, where: str, answer: str, at_fault: bool
    ):
        self._refuses(server, at, **{where: answer})
        with clock.set_to(at):
            tell_of_failures()
        assert (mark(cast.owner) != UNMARKED) == at_fault
        assert on_page(cast.admin) == ([] if at_fault else ["outbox_failed"])
        assert bounces(cast.technician) == at_fault

    def test_for_days(self, cast: Cast, incident: Incident, at: datetime, server: Any):
        self._refuses(server, at, rcpt="452 4.2.2 Mailbox full")
        assert judge_refused(at=at) == 0
        OutgoingMail.objects.filter(kind="incident_answered").update(give_up_at=at + HOUR)
        deliver(at + HOUR)
        assert judge_refused(at=at + HOUR) == 1
        assert mark(cast.owner) == (at + HOUR, "4.2.2 Mailbox full")

    def test_whom_nobody_knows_is_a_failure_like_any_other(self, cast: Cast, at: datetime, server: Any):
        TestNoIncident()._mail(at, "who@strange.example")
        server.rcpt = "550 5.1.1 No such user"
        deliver(at)
        with clock.set_to(at):
            tell_of_failures()
        assert on_page(cast.admin) == ["outbox_failed"]

    def test_once_more_is_a_new_try(self, cast: Cast, incident: Incident, at: datetime, server: Any):
        self._refuses(server, at, rcpt="550 5.1.1 No such user")
        judge_refused(at=at)
        assert retry(mail_id=ours().pk, at=at + HOUR)
        assert (ours().state, ours().bounce, ours().bounced_at) == ("trying", "", None)
        server.rcpt = "250 OK"
        deliver(at + HOUR)
        assert ours().state == "sent"

    @pytest.mark.parametrize("own", [True, False])
    def test_the_envelope_is_each_mails_own_and_the_header_is_not(
        self, cast: Cast, incident: Incident, at: datetime, server: Any, settings: Any, own: bool
    ):
        settings.MAIL_BOUNCE_ADDRESSES = own
        mails = list(OutgoingMail.objects.order_by("next_try_at", "id"))
        deliver(at)
        assert server.senders == [envelope(mail) if own else DESK for mail in mails]
        assert {message["From"].addresses[0].addr_spec for message in server.got} == {DESK}
        assert all(len(sender.partition("@")[0]) < 64 for sender in server.senders)


class TestCleared:
    @pytest.fixture(autouse=True)
    def marked(self, cast: Cast, incident: Incident, at: datetime) -> None:
        came_back(mail_id=ours().pk, bounce=FULL, at=at)
        assert mark(cast.owner)[0] == at

    def test_by_a_mail_of_a_person_from_that_very_address(self, cast: Cast, incident: Incident, at: datetime):
        mailed(sender="Olive@acme.example", at=at + HOUR, In_Reply_To=ours().message_id)
        assert mark(cast.owner) == UNMARKED
        assert ours().bounced_at == at, "that this mail came back stays true"

    def test_not_by_an_automatic_one_nor_by_one_from_elsewhere(self, cast: Cast, incident: Incident, at: datetime):
        mailed(sender="olive@acme.example", at=at + HOUR, Auto_Submitted="auto-replied")
        mailed(sender="rufus@acme.example", at=at + HOUR)
        mailed(sender="olive@acme.example", at=at - HOUR, text="It was on its way")
        cast.owner.addresses.create(address="olive@home.example", added_at=at)
        mailed(sender="olive@home.example", at=at + HOUR)
        forged = b"Authentication-Results: support.quillmark.example; dmarc=fail\r\n"
        delivered(forged + raw_mail(sender="olive@acme.example", at=at + HOUR), at=at + HOUR)
        assert mark(cast.owner)[0] == at

    def test_by_a_word_from_the_desk_but_not_what_came_since(self, cast: Cast, at: datetime):
        assert not mail_works(contact_id=cast.owner.pk, seen_at=at - HOUR)
        assert mark(cast.owner)[0] == at
        assert mail_works(contact_id=cast.owner.pk, seen_at=at)
        assert not mail_works(contact_id=cast.owner.pk, seen_at=at)
        assert mark(cast.owner) == UNMARKED


def test_two_reports_at_once_mark_and_tell_once(committed_cast: Cast, at: datetime):
    cast = committed_cast
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at)
    mail = ours()
    done = at_once(*[lambda: came_back(mail_id=mail.pk, bounce=FULL, at=at)] * 4)
    assert sorted(done) == [False, False, False, True]
    assert (steps(incident).count("mail_bounced"), bounces(cast.technician)) == (1, 1)


def test_a_report_and_a_job_and_a_message_at_once(committed_cast: Cast, at: datetime):
    """Two customers share the address, each with a mail that failed: no order of locks ends in a deadlock."""
    cast = committed_cast
    Contact.objects.filter(pk=cast.stranger.pk).update(email=cast.owner.email)
    for contact in (cast.owner, Contact.objects.get(pk=cast.stranger.pk)):
        answered(opened(contact, at=at), cast.technician, at=at)
    first, second = OutgoingMail.objects.filter(kind="incident_answered").order_by("pk")
    OutgoingMail.objects.filter(pk=second.pk).update(failed_at=at, bounce="5.1.1 No such user")
    done = at_once(
        lambda: came_back(mail_id=first.pk, bounce=FULL, at=at),
        lambda: judge_refused(at=at),
        lambda: judge_refused(at=at),
        lambda: works_again(address=cast.owner.email, at=at - HOUR),
    )
    assert done[0] is True
    assert sorted(done[1:]) == [0, 0, 1]
    assert mark(cast.owner)[0] == mark(cast.stranger)[0] == at


@pytest.mark.rule("D29")
def test_what_one_report_costs_does_not_grow(cast: Cast, incident: Incident, at: datetime):
    def queries(number: int) -> int:
        answered(incident, cast.technician, at=at + number * HOUR)
        with CaptureQueriesContext(
            connection,
        ) as made:
            came(report(number=number), at=at + number * HOUR, to=envelope(ours()))
        return len(made)

    few = queries(1)
    for number in range(5):
        Contact.objects.create(customer=cast.other, name=f"C{number}", email=f"c{number}@other.example")
        opened(cast.owner, at=at)
    assert queries(2) <= few
