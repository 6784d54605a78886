"""The operator sees what waits, what failed and which ways work, and is told when one fails (D30, D39)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from incidents.inbound import file_mail
from incidents.models import HeldMail, Message, Notice, NoticeCode
from incidents.services import noticing
from incidents.tasks import tell_of_failures
from supportdesk import clock
from supportdesk.mail import doors
from supportdesk.mail.incoming import claim, fail
from supportdesk.mail.models import MailDoor, Outcome, OutgoingMail, RawMail
from supportdesk.mail.status import mail_status
from supportdesk.mailbox_settings import Mailbox
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents_helpers import key, mailed, opened, signed_in
from tests.mail.dovecot import PASSWORD
from tests.mail.test_incoming import store
from tests.mail.test_outgoing import queue

MINUTE = timedelta(minutes=1)
BOX = Mailbox(host="mail.example", port=993, user="desk", password=PASSWORD, folder="INBOX", tls="always", after="seen")


def said(*args: str) -> str:
    out = StringIO()
    try:
        call_command("mail_status", *args, stdout=out)
    except CommandError as error:
        return f"{out.getvalue()}!{error}"
    return out.getvalue()


@pytest.mark.rule("D39")
def test_a_door_keeps_since_when_it_fails_and_is_not_written_with_every_mail(
    db: None, at: datetime, django_assert_num_queries: Any
):
    doors.works("out", at=at)
    with django_assert_num_queries(2) as asked:
        doors.works("out", at=at + timedelta(seconds=30))
    assert MailDoor.objects.get().worked_at == at, asked
    doors.fails("out", "535 no\nsuch user", at=at + MINUTE)
    doors.fails("out", "535 still not", at=at + 2 * MINUTE)
    door = MailDoor.objects.get()
    assert (door.failing_since, door.last_error, door.worked_at) == (at + MINUTE, "535 still not", at)
    doors.works("out", at=at + 2 * MINUTE + timedelta(seconds=1))
    door.refresh_from_db()
    assert (door.failing_since, door.last_error) == (None, "")


@pytest.mark.rule("D30")
def test_what_waits_is_counted_with_its_age(db: None, at: datetime, settings: Any, django_assert_num_queries: Any):
    settings.IMAP_MAILBOXES = (BOX,)
    for number in range(3):
        queue(at - number * MINUTE, str(number))
    OutgoingMail.objects.filter(key="1").update(tries=2, next_try_at=at + 5 * MINUTE)
    OutgoingMail.objects.filter(key="0").update(failed_at=at)
    raw, _new = store(at - 3 * MINUTE)
    claim(raw_id=raw.pk, at=at)
    fail(raw_id=raw.pk, error="boom", at=at)
    doors.fails(BOX.door, "The host name mail.example is unknown here", at=at)
    with django_assert_num_queries(5):
        status = mail_status(at=at)
    assert (status.out_waiting, status.out_tried, status.out_failed) == (2, 1, 1)
    assert (status.in_unhandled, status.in_trouble, status.in_held) == (1, 1, 0)
    assert status.as_json()["out"]["oldest_seconds"] == 120
    assert status.as_json()["in"]["oldest_seconds"] == 180
    assert {door.name: door.state for door in status.doors} == {
        "out": "new",
        "gateway": "new",
        "imap:desk@mail.example/INBOX": "fails",
    }
    assert not status.well


@pytest.mark.rule("D30")
def test_a_mail_that_another_server_puts_off_is_no_alarm_and_one_that_nobody_looks_at_is(db: None, at: datetime):
    mail = queue(at)
    OutgoingMail.objects.update(tries=9, next_try_at=at + timedelta(hours=2))
    assert mail_status(at=at + timedelta(hours=1)).well
    OutgoingMail.objects.filter(pk=mail.pk).update(next_try_at=at)
    assert mail_status(at=at + 14 * MINUTE).well
    assert not mail_status(at=at + 15 * MINUTE).well
    with clock.set_to(at + 15 * MINUTE):
        assert said().endswith("!Mail is not well.")


@pytest.mark.rule("D39")
def test_a_fetcher_that_nothing_is_heard_of_is_an_alarm(db: None, at: datetime, settings: Any):
    settings.IMAP_MAILBOXES = (BOX,)
    assert not mail_status(at=at).well
    doors.works(BOX.door, at=at)
    assert mail_status(at=at + 14 * MINUTE).well
    assert not mail_status(at=at + 16 * MINUTE).well
    settings.IMAP_MAILBOXES = ()
    assert mail_status(at=at + 16 * MINUTE).well, "it was taken out of the settings"


@pytest.mark.rule("D39")
def test_the_command_says_it_in_lines_and_in_json(db: None, clock_at: datetime):
    doors.works("gateway", at=clock_at)
    doors.fails("out", "535 wrong password", at=clock_at)
    lines = said().splitlines()
    assert lines[:2] == [
        "Out: 0 waiting, 0 of them tried before; 0 failed",
        "In: 0 not handled, 0 of them in trouble; 0 held in 30 days",
    ]
    assert lines[2:] == [
        "out: fails since 2026-12-01 15:00 UTC: 535 wrong password",
        "gateway: works, last seen 2026-12-01 15:00 UTC",
        "!Mail is not well.",
    ]
    assert said("--door", "gate") == "gateway: works, last seen 2026-12-01 15:00 UTC\n"
    assert said("--door", "out").endswith("!Mail is not well there.")
    assert said("--door", "imap:") == "!There is no such way of mail."
    found = json.loads(said("--json").partition("\n")[0])
    assert (found["ok"], found["doors"][0]["error"]) == (False, "535 wrong password")


@pytest.mark.rule("D39")
def test_monitoring_hears_of_mail_apart_from_the_pages_and_without_a_name(
    db: None, clock_at: datetime, client: Client, settings: Any
):
    settings.IMAP_MAILBOXES = (BOX,)
    doors.fails("out", "535 wrong password of desk@mail.example", at=clock_at)
    queue(clock_at - MINUTE)
    answer = client.get("/healthz/mail")
    assert answer.status_code == 200
    assert answer.json() == {"ok": False, "out_oldest_seconds": 60, "in_oldest_seconds": None, "ways_failing": 2}
    assert client.get("/healthz").json() == {"ok": True}


@pytest.mark.rule("D39")
def test_admins_are_told_when_a_way_has_failed_for_a_while_and_when_it_works_again(cast: Cast, at: datetime):
    def told() -> list[dict[str, Any]]:
        notices = Notice.objects.filter(user=cast.admin, code=NoticeCode.OUTBOX_FAILED).order_by("pk")
        return list(notices.values_list("data", flat=True))

    doors.works("out", at=at)
    doors.fails("out", "535 no", at=at)
    doors.fails("imap:gone@mail.example/INBOX", "of former settings", at=at)
    assert noticing.tell_of_doors(at=at + 14 * MINUTE) == 0
    with clock.set_to(at + timedelta(minutes=POLICY.door_failing_minutes)):
        assert tell_of_failures() == 1
        assert tell_of_failures() == 0
    assert told() == [{"door": "out", "works": False}]
    doors.works("out", at=at + 20 * MINUTE)
    doors.fails("out", "535 no", at=at + 21 * MINUTE)
    assert noticing.tell_of_doors(at=at + timedelta(hours=2)) == 0, "they know"
    doors.works("out", at=at + timedelta(hours=3))
    for _time in range(2):
        noticing.tell_of_doors(at=at + timedelta(hours=3))
    assert told() == [{"door": "out", "works": False}, {"door": "out", "works": True}]
    mails = OutgoingMail.objects.filter(kind="staff_outbox_failed").order_by("pk")
    assert ["out" in mail.subject + mail.text for mail in mails] == [True, True]
    assert not Notice.objects.filter(user=cast.technician).exists()


@pytest.mark.rule("D30")
def test_the_page_shows_what_failed_and_tries_many_again(cast: Cast, clock_at: datetime):
    doors.fails("out", "535 <b>wrong</b>", at=clock_at)
    for number in range(4):
        queue(clock_at, str(number))
    OutgoingMail.objects.update(failed_at=clock_at, last_error="550 no such user")
    store(clock_at)
    browser, where = signed_in(cast.admin), reverse("admin:mail_maildoor_changelist")
    page = browser.get(where).content.decode()
    assert "535 &lt;b&gt;wrong&lt;/b&gt;" in page
    assert page.count("550 no such user") == 4
    first = OutgoingMail.objects.get(key="0")
    assert f'value="{first.pk}"' in page
    answer = browser.post(where, {"mail": [first.pk, "x", "9" * 30]}, follow=True)
    assert "1 mail is tried again." in answer.content.decode()
    assert OutgoingMail.objects.filter(failed_at=None).get() == first
    assert "3 mails are tried again." in browser.post(where, {"all": "1"}, follow=True).content.decode()
    assert not OutgoingMail.objects.exclude(failed_at=None).exists()


@pytest.mark.rule("D31")
def test_the_source_is_a_file_that_runs_nowhere(cast: Cast, clock_at: datetime):
    raw, _new = store(clock_at, b"From: a@b.example\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>")
    browser = signed_in(cast.admin)
    where = reverse("admin:mail_rawmail_source", args=[raw.pk])
    assert where in browser.get(reverse("admin:mail_rawmail_change", args=[raw.pk])).content.decode()
    answer = browser.get(where)
    assert answer.content == bytes(raw.source)
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == f'attachment; filename="mail-{raw.pk}.eml"'
    assert "sandbox" in answer["Content-Security-Policy"]
    assert browser.get(where.replace(str(raw.pk), "9" * 30)).status_code == 404
    assert signed_in(cast.technician).get(where).status_code == 302


def _file_again(cast: Cast, *raws: RawMail, at: datetime) -> str:
    ticked = {"action": "file_again", "_selected_action": [raw.pk for raw in raws]}
    answer = signed_in(cast.admin).post(reverse("admin:mail_rawmail_changelist"), ticked, follow=True)
    for raw in raws:
        file_mail(raw_id=raw.pk, at=at)
        raw.refresh_from_db()
    return answer.content.decode()


@pytest.mark.rule("D29")
def test_a_held_mail_is_filed_once_its_reason_is_gone_and_an_added_one_stays(cast: Cast, clock_at: datetime):
    incident = opened(cast.owner, at=clock_at)
    held = mailed(at=clock_at, sender="new@acme.example", subject=f"[{incident.number}] Hi", text="More of it")
    added = mailed(at=clock_at, sender="olive@acme.example", subject=f"[{incident.number}] Hi", text="And more")
    assert (held.outcome, added.outcome) == ("held", "added")
    cast.owner.email = "new@acme.example"
    cast.owner.save()
    page = _file_again(cast, held, added, at=clock_at)
    assert "1 mail is filed again." in page
    assert "1 mail belongs somewhere already" in page
    assert (held.outcome, added.outcome) == ("added", "added")
    assert Message.objects.filter(raw_mail=held).count() == Message.objects.filter(raw_mail=added).count() == 1
    row = HeldMail.objects.get(raw_mail=held)
    assert (row.settled_as, row.attached_to, row.settled_at) == ("attached", incident, clock_at)


@pytest.mark.rule("D29")
def test_what_a_technician_made_of_a_held_mail_stays(cast: Cast, clock_at: datetime):
    browser = signed_in(cast.technician)
    incident = opened(cast.owner, at=clock_at)
    attached, discarded = (
        mailed(at=clock_at, sender="stranger@x.example", subject="Hi", text=f"Words {n}") for n in range(2)
    )
    rows = {raw.pk: HeldMail.objects.get(raw_mail=raw) for raw in (attached, discarded)}
    browser.post(reverse("desk:attach", args=[rows[attached.pk].pk]), {"number": incident.number, "confirmed": "1"})
    browser.post(reverse("desk:discard", args=[rows[discarded.pk].pk]), {"key": key()})
    for row in rows.values():
        row.refresh_from_db()
    assert [row.settled_as for row in rows.values()] == ["attached", "discarded"]
    _file_again(cast, attached, discarded, at=clock_at)
    for row in rows.values():
        row.refresh_from_db()
    assert [raw.outcome for raw in (attached, discarded)] == [Outcome.HELD, Outcome.HELD]
    assert [row.settled_as for row in rows.values()] == ["attached", ""], "what was put away is open again"
    assert Message.objects.filter(raw_mail=attached).count() == 1
