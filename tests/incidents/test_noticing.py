"""Notices to staff: each thing once a cause, never of one's own act, by the ways that each chose (D39)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.access import notices_for
from incidents.announcing import announce_due
from incidents.inbound import attach_held
from incidents.models import HeldMail, Incident, Notice, NoticeCode, NoticeSetting
from incidents.notices import DEFAULTS, Way, everyone, say
from incidents.services import conversation, noticing, ownership
from incidents.services.common import TextMissing
from incidents.tasks import sweep_notices, tell_of_failures
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import queue_mail
from supportdesk.people.models import Contact, User
from supportdesk.people.scope import scope_of, scope_of_contact
from tests.cast import Cast
from tests.incidents.crediting import decide, marked
from tests.incidents.told import a_mate, by_mail, follows, on_page
from tests.incidents_helpers import again, answered, at_once, delivered, key, mailed, opened, raw_mail

pytestmark = pytest.mark.rule("D39")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PAGE, MAIL, BOTH = Way(on_page=True, by_mail=False), Way(on_page=False, by_mail=True), DEFAULTS[NoticeCode.ASSIGNED]


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    """The technician's."""
    made = opened(cast.owner, at=at)
    ownership.take(incident_id=made.pk, user=cast.technician, at=at)
    return again(made)


def _writes(incident: Incident, contact: Contact, *, at: datetime, **given: object) -> None:
    values = {"text": "It stops again.", "via": "portal", "key": key(), **given}
    conversation.customer_message(incident_id=incident.pk, contact=contact, at=at, **values)  # type: ignore[arg-type]


def _chose(user: User, code: NoticeCode, way: Way) -> None:
    noticing.choose_ways(user=user, chosen={code: way})


def _told(cast: Cast) -> dict[str, tuple[list[str], list[str]]]:
    staff = {"tess": cast.technician, "carl": cast.colleague, "ada": cast.admin}
    told = {name: (on_page(user), by_mail(user)) for name, user in staff.items()}
    return {name: ways for name, ways in told.items() if ways != ([], [])}


def test_every_code_has_a_way_and_words():
    assert set(DEFAULTS) == set(NoticeCode)
    for code in NoticeCode:
        assert say(code, {"minutes": 15, "outcome": "credited"})
    assert say("warned", {"minutes": 1}) == "At most 1 business minute is left"


def test_handed_over_to_me_and_not_what_i_took(cast: Cast, incident: Incident, at: datetime):
    assert _told(cast) == {}, "taking it is one's own act"
    for _time in range(2):
        ownership.assign(incident_id=incident.pk, to=cast.colleague, user=cast.technician, at=at)
    assert _told(cast) == {"carl": (["assigned"], ["assigned"])}
    ownership.assign(incident_id=incident.pk, to=cast.technician, user=cast.technician, at=at)
    assert "tess" not in _told(cast), "taken over"
    ownership.assign(incident_id=incident.pk, to=cast.colleague, user=cast.admin, at=at)
    assert _told(cast)["carl"][0] == ["assigned", "assigned"], "each handing over is one of its own"


def test_my_customer_wrote_once_a_message(cast: Cast, incident: Incident, at: datetime):
    others = opened(cast.owner, at=at)
    ownership.take(incident_id=others.pk, user=cast.colleague, at=at)
    once = key()
    for _time in range(2):
        _writes(incident, cast.owner, at=at, key=once)
    assert _told(cast) == {"tess": (["customer_wrote"], ["customer_wrote"])}
    _writes(others, cast.owner, at=at)
    assert _told(cast)["carl"] == (["customer_wrote"], ["customer_wrote"])
    mate = a_mate(cast.acme)
    follows(incident, mate, cast, at=at)
    _writes(incident, mate, at=at)
    assert on_page(cast.technician) == ["customer_wrote"] * 2, "a follower's word is the customer's"
    notice = Notice.objects.filter(user=cast.technician).latest("id")
    assert (notice.incident, notice.data, notice.at) == (incident, {}, at)


def test_of_an_incident_that_nobody_has_only_the_queue_tells(cast: Cast, at: datetime):
    _writes(opened(cast.owner, at=at), cast.owner, at=at)
    assert _told(cast) == {}


def test_where_the_owner_has_left_everyone_is_told(cast: Cast, incident: Incident, at: datetime):
    User.objects.filter(pk=cast.technician.pk).update(is_active=False)
    _writes(incident, cast.owner, at=at)
    assert _told(cast) == {"carl": (["customer_wrote"], ["customer_wrote"])}
    User.objects.filter(pk=cast.colleague.pk).update(is_technician=False)
    _writes(incident, cast.owner, at=at)
    assert on_page(cast.admin) == ["customer_wrote"], "a desk without technicians is its admins'"
    assert not Notice.objects.filter(user=cast.technician).exists()


def test_staff_who_are_contacts_too_are_not_told_of_their_own_word(cast: Cast, incident: Incident, at: datetime):
    Contact.objects.filter(pk=cast.owner.pk).update(user=cast.technician)
    _writes(incident, Contact.objects.get(pk=cast.owner.pk), at=at)
    assert _told(cast) == {}


def test_what_a_technician_attaches_is_their_own_act(cast: Cast, incident: Incident, at: datetime):
    for by, told in ((cast.technician, []), (cast.colleague, ["customer_wrote"])):
        raw = mailed(sender="nobody@strange.example", at=at, subject=f"Hello {by}", text=f"About it, {by}")
        held = HeldMail.objects.get(raw_mail=raw)
        attach_held(held_id=held.pk, incident_id=incident.pk, user=by, at=at, confirmed=True)
        assert [code for code in on_page(cast.technician) if code != "mail_held"] == told


@pytest.mark.rule("D16")
def test_a_re_opening_is_the_owners_or_everyones_to_decide_and_asked_for_once(
    cast: Cast, incident: Incident, at: datetime
):
    answered(incident, cast.technician, at=at, then="closed")
    _writes(incident, cast.owner, at=at + HOUR)
    _writes(incident, cast.owner, at=at + HOUR, text="Please")
    assert _told(cast) == {"tess": (["reopen_asked", "customer_wrote"], ["customer_wrote"])}
    nobodys = opened(cast.owner, at=at)
    answered(nobodys, cast.colleague, at=at, then="closed")
    Incident.objects.filter(pk=nobodys.pk).update(owner=None)
    _writes(nobodys, cast.owner, at=at + HOUR)
    assert on_page(cast.colleague) == ["reopen_asked"]
    assert on_page(cast.technician).count("reopen_asked") == 2


@pytest.mark.rule("D13")
def test_near_and_late_by_page_and_mail_once(cast: Cast, incident: Incident, at: datetime):
    for _time in range(2):
        for minutes in (180, 225, 241):
            announce_due(at=at + timedelta(minutes=minutes))
    codes = ["warned", "warned", "breached"]
    assert _told(cast) == {"tess": (codes, codes)}
    assert [notice.data.get("minutes") for notice in Notice.objects.order_by("id")] == [60, 15, None]


@pytest.mark.rule("D17")
def test_a_bug_determined_is_told_to_the_owner_or_who_marked_it(cast: Cast, incident: Incident, at: datetime):
    once, case = key(), marked(incident, cast, at=at)
    for _time in range(2):
        decide(case, cast, "refused", at=at, reason="No", key=once)
    assert _told(cast) == {"tess": (["bug_determined"], ["bug_determined"])}
    assert say("bug_determined", Notice.objects.get().data) == "The bug was determined: no credit"
    nobodys = opened(cast.owner, at=at)
    decide(marked(nobodys, cast, at=at), cast, at=at)
    assert on_page(cast.technician) == ["bug_determined"] * 2
    mine = opened(cast.owner, at=at)
    ownership.take(incident_id=mine.pk, user=cast.admin, at=at)
    decide(marked(mine, cast, at=at), cast, at=at)
    assert on_page(cast.admin) == [], "determined by themselves"


@pytest.mark.rule("D26")
def test_held_mail_is_told_to_everyone_and_again_once_it_was_looked_at(cast: Cast, at: datetime):
    for n in range(3):
        mailed(sender="nobody@strange.example", at=at, subject=f"Hello {n}")
    assert _told(cast) == {"tess": (["mail_held"], []), "carl": (["mail_held"], [])}
    noticing.mark_read(user=cast.technician, at=at, code=NoticeCode.MAIL_HELD)
    mailed(sender="nobody@strange.example", at=at + HOUR, subject="Hello again")
    assert (on_page(cast.technician), on_page(cast.colleague)) == (["mail_held"] * 2, ["mail_held"])


@pytest.mark.rule("D28")
@pytest.mark.parametrize("names_it", [True, False])
def test_a_bounce_is_told_to_the_owner_once_and_an_absence_to_nobody(
    cast: Cast, incident: Incident, at: datetime, names_it: bool
):
    answered(incident, cast.technician, at=at)
    ours = OutgoingMail.objects.get(kind="incident_answered").message_id
    mailed(sender="olive@acme.example", at=at, text="Away", In_Reply_To=ours, Auto_Submitted="auto-replied")
    assert _told(cast) == {}
    if names_it:
        source = raw_mail(sender="MAILER-DAEMON@mx.example", at=at, text="No such user", In_Reply_To=ours)
    else:
        source = _report(ours)
    for _time in range(2):
        raw = delivered(source, at=at, mail_from="")
        assert raw.outcome == "automatic"
    assert _told(cast) == {"tess": (["bounce"], [])}


def _report(message_id: str) -> bytes:
    """A delivery report that names our mail only in what it brings back (RFC 3464)."""
    lines = (
        "From: MAILER-DAEMON@mx.example",
        "To: support@support.quillmark.example",
        "Message-ID: <report@mx.example>",
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
        "Reporting-MTA: dns; mx.example",
        "",
        "Final-Recipient: rfc822; olive@acme.example",
        "Action: failed",
        "Status: 5.1.1",
        "",
        "--cut",
        "Content-Type: text/rfc822-headers",
        "",
        f"Message-ID: {message_id}",
        "Subject: Ours",
        "",
        "--cut--",
        "",
    )
    return "\r\n".join(lines).encode()


@pytest.mark.rule("D14")
def test_an_accepted_split_is_told_to_the_owner(cast: Cast, incident: Incident, at: datetime):
    for _time in range(2):
        noticing.split_accepted(incident, proposal_id=7, at=at, by=cast.owner.user)
    assert _told(cast) == {"tess": (["split_accepted"], ["split_accepted"])}
    noticing.split_accepted(incident, proposal_id=8, at=at, by=cast.technician)
    assert on_page(cast.technician) == ["split_accepted"]


def _failed(at: datetime, *, kind: str = "incident_answered") -> OutgoingMail:
    mail = queue_mail(to_address="x@acme.example", to_name="", subject="S", text="T", at=at, kind=kind, key=key())
    OutgoingMail.objects.filter(pk=mail.pk).update(failed_at=at, last_error="550 no")
    return mail


@pytest.mark.rule("D30")
def test_mail_that_failed_is_told_to_the_admins_once_and_never_of_itself(cast: Cast, at: datetime):
    with clock.set_to(at):
        assert tell_of_failures() == 0
        _failed(at - HOUR)
        _failed(at - 2 * HOUR)
        assert tell_of_failures() == 1
        assert tell_of_failures() == 0
    assert _told(cast) == {"ada": (["outbox_failed"], ["outbox_failed"])}
    OutgoingMail.objects.filter(kind="staff_outbox_failed").update(failed_at=at)
    noticing.mark_read(user=cast.admin, at=at, code=NoticeCode.OUTBOX_FAILED)
    assert noticing.tell_of_failures(at=at + HOUR) == 0, "what was there when it was looked at; its own mail"
    _failed(at + HOUR)
    _chose(cast.admin, NoticeCode.OUTBOX_FAILED, MAIL)
    for _time in range(2):
        noticing.tell_of_failures(at=at + 2 * HOUR)
    assert _told(cast)["ada"] == (["outbox_failed"], ["outbox_failed"] * 2)
    _chose(cast.admin, NoticeCode.OUTBOX_FAILED, PAGE)
    noticing.tell_of_failures(at=at + 3 * DAY)
    assert on_page(cast.admin) == ["outbox_failed"], "of long ago"


@pytest.mark.parametrize(
    ("way", "page", "mail"),
    [(PAGE, ["customer_wrote"], []), (MAIL, [], ["customer_wrote"]), (BOTH, ["customer_wrote"], ["customer_wrote"])],
)
def test_told_by_page_by_mail_or_both_as_each_chose(
    cast: Cast, incident: Incident, at: datetime, way: Way, page: list[str], mail: list[str]
):
    for other in (BOTH, way):
        _chose(cast.technician, NoticeCode.CUSTOMER_WROTE, other)
    _chose(cast.colleague, NoticeCode.CUSTOMER_WROTE, BOTH)
    _writes(incident, cast.owner, at=at)
    assert (on_page(cast.technician), by_mail(cast.technician)) == (page, mail)
    assert NoticeSetting.objects.count() == 2


def test_one_way_is_left_and_admins_things_are_the_admins(cast: Cast):
    silent = Way(on_page=False, by_mail=False)
    with pytest.raises(noticing.NoWayLeft):
        noticing.choose_ways(user=cast.technician, chosen={NoticeCode.WARNED: PAGE, NoticeCode.BREACHED: silent})
    _chose(cast.technician, NoticeCode.OUTBOX_FAILED, PAGE)
    assert NoticeSetting.objects.count() == 0


def test_whom_no_mail_reaches_is_told_on_the_page(cast: Cast, incident: Incident, at: datetime):
    _chose(cast.technician, NoticeCode.CUSTOMER_WROTE, MAIL)
    User.objects.filter(pk=cast.technician.pk).update(email="tess")
    _writes(incident, cast.owner, at=at)
    assert on_page(cast.technician) == ["customer_wrote"]


def test_the_mail_says_what_and_where_and_nothing_that_was_written(cast: Cast, incident: Incident, at: datetime):
    _writes(incident, cast.owner, at=at, text="CANARY secret")
    mail = OutgoingMail.objects.get(kind="staff_customer_wrote")
    assert mail.subject == f"[{' '.join(incident.shown_number.split())}] The customer wrote: It stops at night"
    for part in (mail.text, mail.html):
        assert "CANARY" not in part
        for word in (
            incident.shown_number,
            "Acme Tools",
            f"/desk/incidents/{incident.number}/",
            "/desk/notices/settin",
        ):
            assert word in part
    assert (mail.reply_to, mail.automatic, mail.in_reply_to) == ("", True, "")
    raw = mailed(sender="nobody@strange.example", at=at, subject="CANARY", text="CANARY")
    _chose(cast.colleague, NoticeCode.MAIL_HELD, MAIL)
    mailed(sender="nobody@strange.example", at=at, subject="CANARY 2", text="CANARY")
    held = OutgoingMail.objects.get(kind="staff_mail_held")
    assert raw.outcome == "held"
    assert "CANARY" not in held.subject + held.text + held.html
    assert "/desk/held/" in held.text


@pytest.mark.rule("D34")
def test_a_notice_keeps_ids_and_codes_alone(cast: Cast, incident: Incident, at: datetime):
    _writes(incident, cast.owner, at=at, text="CANARY")
    announce_due(at=at + 9 * HOUR)
    mailed(sender="canary@strange.example", at=at, subject="CANARY", text="CANARY")
    for notice in Notice.objects.all():
        assert all(isinstance(value, int) for value in notice.data.values())


def test_fifty_are_told_by_page_in_as_many_queries_as_one(cast: Cast, at: datetime):
    def asked(n: int) -> int:
        with CaptureQueriesContext(connection) as seen:
            told = noticing.notify(NoticeCode.REOPEN_ASKED, to=everyone(), at=at, key=f"k:{n}")
        assert told == n
        return len(seen)

    User.objects.filter(pk=cast.colleague.pk).update(is_technician=False)
    one = asked(1)
    for n in range(49):
        User.objects.create_user(f"t{n}@desk.example", name=f"T{n}", is_technician=True)
    assert asked(50) == one


def test_told_by_four_at_once_once(committed_cast: Cast, at: datetime):
    incident = opened(committed_cast.owner, at=at)
    work: list[Callable[[], int]] = [
        lambda: noticing.notify(
            NoticeCode.WARNED, to=everyone(), incident=incident, at=at, key="k", data=_clock(incident)
        )
    ] * 4
    at_once(*work)
    assert Notice.objects.count() == 2
    assert OutgoingMail.objects.filter(kind="staff_warned").count() == 2


def _clock(incident: Incident) -> dict[str, int]:
    return {"clock": incident.clocks.get().clock_id, "minutes": 15}


def test_what_is_refused_tells_nobody(cast: Cast, incident: Incident, at: datetime):
    with pytest.raises(TextMissing):
        _writes(incident, cast.owner, at=at, text=" ")
    assert _told(cast) == {}


@pytest.mark.rule("D22")
def test_notices_are_ones_own(cast: Cast, incident: Incident, at: datetime):
    _writes(incident, cast.owner, at=at)
    assert notices_for(scope_of(cast.technician)).count() == 1
    for scope in (scope_of(cast.admin), scope_of(cast.colleague), scope_of_contact(cast.owner)):
        assert not notices_for(scope).exists()
    assert cast.owner.user
    Notice.objects.update(user=cast.owner.user)
    assert not notices_for(scope_of(cast.owner.user)).exists(), "not for who does not work here"


def test_what_was_read_ninety_days_ago_is_swept_and_nothing_else(committed_cast: Cast, at: datetime):
    user = committed_cast.technician
    for n in range(30):
        Notice.objects.create(user=user, code="assigned", at=at, key=f"old:{n}", read_at=at)
    Notice.objects.create(user=user, code="assigned", at=at - 400 * DAY, key="unread")
    Notice.objects.create(user=user, code="assigned", at=at, key="late", read_at=at + timedelta(seconds=1))
    assert noticing.sweep_notices(at=at + 90 * DAY - timedelta(seconds=1)) == 0
    swept = at_once(*[lambda: noticing.sweep_notices(at=at + 90 * DAY)] * 4)
    assert sum(swept) == 30
    assert sorted(Notice.objects.values_list("key", flat=True)) == ["late", "unread"]
    with clock.set_to(at + 91 * DAY):
        assert sweep_notices() == 1
        assert sweep_notices() == 0


@pytest.mark.rule("D26")
def test_of_held_mail_one_is_mailed_once_an_hour_how_many_wait(cast: Cast, at: datetime):
    _chose(cast.technician, NoticeCode.MAIL_HELD, MAIL)

    def said() -> list[str]:
        mails = OutgoingMail.objects.filter(kind="staff_mail_held", to_address=cast.technician.email)
        return list(mails.order_by("id").values_list("subject", flat=True))

    minute = timedelta(minutes=1)
    mailed(sender="nobody@strange.example", at=at)
    assert said() == ["1 mail is held: it belongs nowhere for sure"]
    for n in range(1, 5):
        mailed(sender="nobody@strange.example", at=at + n * minute)
        assert noticing.tell_of_held(at=at + n * minute) == 0
    assert noticing.tell_of_held(at=at + HOUR - minute) == 0
    assert noticing.tell_of_held(at=at + HOUR) == 1
    assert said()[1:] == ["5 mails are held"]
    assert noticing.tell_of_held(at=at + 9 * HOUR) == 0, "nothing came since"
    mailed(sender="nobody@strange.example", at=at + 10 * HOUR)
    assert said()[2:] == ["6 mails are held"]
    assert not OutgoingMail.objects.filter(kind="staff_mail_held").exclude(to_address=cast.technician.email).exists()


def test_two_who_tell_of_held_mail_at_once_tell_once(committed_cast: Cast, at: datetime):
    _chose(committed_cast.technician, NoticeCode.MAIL_HELD, MAIL)
    mailed(sender="nobody@strange.example", at=at)
    mailed(sender="nobody@strange.example", at=at + timedelta(minutes=1))
    told = at_once(*[lambda: noticing.tell_of_held(at=at + 2 * HOUR)] * 3)
    assert sorted(told) == [0, 0, 1]
