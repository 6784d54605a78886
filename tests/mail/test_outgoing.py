"""The outbox against a real mail server: each mail goes out, whatever dies in between (D30)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from supportdesk import clock
from supportdesk.mail import outgoing
from supportdesk.mail.admin import OutgoingMailAdmin
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import LEASE, NotAnAddress, deliver_due, queue_mail, retry, retry_all
from tests.mail.smtp import MailServer, mail_server

MINUTE = timedelta(minutes=1)


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with mail_server(settings) as running:
        yield running


def queue(at: datetime, key: str = "k", **fields: Any) -> OutgoingMail:
    words = {"to_address": "olive@acme.example", "to_name": "Olive Owner", "subject": "[104 930] Größe", "text": "Hi"}
    return queue_mail(**{"kind": "incident_opened", **words, **fields}, at=at, key=key)


def deliver(at: datetime, limit: int = 50) -> int:
    return deliver_due(now=lambda: at, limit=limit)


@pytest.mark.rule("D30")
def test_a_mail_goes_out_whole_and_once(db: None, server: MailServer, at: datetime):
    mail = queue(
        at,
        html="<p>Hi</p>",
        reply_to="reply+1.2.abc@support.quillmark.example",
        in_reply_to="<1@acme.example>",
        references=["<0@acme.example>", "<" + "x" * 200 + "@acme.example>"],
    )
    assert deliver(at) == 1
    assert deliver(at) == 0
    (got,) = server.got
    assert got["Message-ID"] == mail.message_id
    assert str(got["To"]) == "Olive Owner <olive@acme.example>"
    assert str(got["From"]).endswith("support <support@support.quillmark.example>")
    assert got["Reply-To"].addresses[0].addr_spec == "reply+1.2.abc@support.quillmark.example"
    assert (got["Subject"], got["In-Reply-To"]) == ("[104 930] Größe", "<1@acme.example>")
    assert got["References"].split() == ["<0@acme.example>", "<" + "x" * 200 + "@acme.example>"]
    assert got["Date"].datetime == at
    assert [part.get_content().strip() for part in got.iter_parts()] == ["Hi", "<p>Hi</p>"]
    mail.refresh_from_db()
    assert (mail.sent_at, mail.tries, mail.claimed_until, mail.last_error) == (at, 1, None, "")


@pytest.mark.rule("D28")
def test_only_what_no_person_wrote_says_that_it_is_automatic(db: None, server: MailServer, at: datetime):
    queue(at, "a", automatic=True)
    queue(at, "b", automatic=False)
    deliver(at)
    assert [mail["Auto-Submitted"] for mail in server.got] == ["auto-generated", None]


@pytest.mark.rule("D30")
def test_one_cause_queues_one_mail(db: None, at: datetime):
    first = queue(at, "same")
    assert queue(at + MINUTE, "same", subject="other") == first
    assert OutgoingMail.objects.get().subject == "[104 930] Größe"


@pytest.mark.rule("D30")
def test_a_mail_of_a_transaction_that_is_undone_never_was(fresh_db: str, server: MailServer, at: datetime):
    with transaction.atomic():
        queue(at)
        transaction.set_rollback(True)
    assert deliver(at) == 0
    assert server.got == []


@pytest.mark.rule("D30")
def test_line_ends_in_headers_become_spaces(db: None, server: MailServer, at: datetime):
    evil = "x\r\nBcc: victim@x.example\n\n\x00Hello\u2028y\ud800"
    queue(
        at,
        subject=evil,
        to_name=evil,
        in_reply_to=f"<a@b>{evil}",
        references=[evil, "<c@d>\r\nBcc: x@y.example"],
        text=evil,
    )
    assert deliver(at) == 1
    (got,) = server.got
    assert got["Subject"] == "x Bcc: victim@x.example Hello y"
    assert (got["Bcc"], got["In-Reply-To"], got["References"]) == (None, "<a@b>", "<c@d>")
    assert got.get_content().splitlines() == ["x", "Bcc: victim@x.example", "", "Hello", "y\ufffd"]


@pytest.mark.rule("D30")
def test_many_are_retried_by_one_statement(db: None, at: datetime):
    for number in range(12):
        queue(at, str(number))
    OutgoingMail.objects.filter(key="0").update(sent_at=at)
    OutgoingMail.objects.exclude(key="0").update(failed_at=at)
    with CaptureQueriesContext(connection) as asked:
        assert retry_all(OutgoingMail.objects.order_by("-failed_at"), at=at + MINUTE) == 11
    assert len(asked) == 1
    assert OutgoingMail.objects.filter(failed_at=None, next_try_at=at + MINUTE).count() == 11


@pytest.mark.rule("D30")
@pytest.mark.parametrize(
    "address",
    [
        "",
        "olive",
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example, c@d.example",
        '"a b"@c.example',
        "a" * 300 + "@b.example",
    ],
)
def test_what_is_no_address_is_refused(db: None, at: datetime, address: str):
    with pytest.raises(NotAnAddress):
        queue(at, to_address=address)
    with pytest.raises(NotAnAddress):
        queue(at, reply_to=address or " ")
    assert not OutgoingMail.objects.exists()


def test_a_domain_in_other_letters_is_written_in_ascii(db: None, at: datetime):
    for key, domain in enumerate(["bücher.example", "xn--bcher-kva.example"]):
        assert queue(at, str(key), to_address=f"o@{domain}").to_address == "o@xn--bcher-kva.example"
    # The standard library knows the old rules only, by which this would be grösse.example: somebody else.
    with pytest.raises(NotAnAddress):
        queue(at, to_address="o@größe.example")


@pytest.mark.rule("D30")
def test_a_mail_is_tried_for_three_days_with_one_message_id(db: None, server: MailServer, at: datetime):
    server.data = "451 later"
    mail = queue(at)
    waits, now = [], at
    while mail.failed_at is None:
        assert deliver(now) == 0
        mail.refresh_from_db()
        waits.append((mail.next_try_at - now) // MINUTE)
        assert deliver(mail.next_try_at - timedelta(seconds=1)) == 0
        now = mail.next_try_at if mail.failed_at is None else now
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert at + timedelta(days=3) <= mail.failed_at <= at + timedelta(days=3, hours=1)
    assert mail.last_error == "451 later"
    assert set(server.ids) == {mail.message_id}
    assert len(server.got) == mail.tries == len(waits)
    assert deliver(now + timedelta(days=9)) == 0

    server.data = "250 OK"
    assert retry(mail_id=mail.pk, at=now)
    assert deliver(now) == 1
    assert not retry(mail_id=mail.pk, at=now)
    assert set(server.ids) == {mail.message_id}


@pytest.mark.rule("D30")
def test_a_mail_that_failed_is_retried_for_three_more_days(db: None, server: MailServer, at: datetime):
    server.rcpt = "550 no such user"
    mail = queue(at)
    deliver(at)
    server.rcpt = "450 busy"
    later = at + timedelta(days=20)
    retry(mail_id=mail.pk, at=later)
    deliver(later)
    mail.refresh_from_db()
    assert (mail.failed_at, mail.next_try_at) == (None, later + 2 * MINUTE)


@pytest.mark.rule("D30")
@pytest.mark.parametrize(("rcpt", "data"), [("550 no such user", "250 OK"), ("250 OK", "554 refused")])
def test_a_refusal_is_final_and_holds_nobody_up(db: None, server: MailServer, at: datetime, rcpt: str, data: str):
    server.rcpt, server.data = rcpt, data
    mail = queue(at)
    deliver(at)
    mail.refresh_from_db()
    assert mail.failed_at == at
    assert mail.last_error == (rcpt if data == "250 OK" else data)
    server.rcpt = server.data = "250 OK"
    queue(at, "next")
    assert deliver(at) == 1


@pytest.mark.rule("D30")
def test_a_mail_that_cannot_be_built_holds_nobody_up(db: None, server: MailServer, at: datetime):
    bad = queue(at, "bad")
    OutgoingMail.objects.filter(pk=bad.pk).update(to_address="a\r\nb")
    queue(at, "good")
    assert deliver(at) == 1
    bad.refresh_from_db()
    assert (bad.failed_at, bad.next_try_at) == (None, at + MINUTE)
    assert bad.last_error


@pytest.mark.rule("D30")
def test_a_server_that_dies_after_data_gets_the_same_mail_again(db: None, server: MailServer, at: datetime):
    mail = queue(at, html="<p>Hi</p>")
    server.drops_at = "DATA"
    assert deliver(at) == 0
    server.drops_at = ""
    assert deliver(at + MINUTE) == 1
    assert server.ids == [mail.message_id] * 2
    assert server.got[0].as_bytes() == server.got[1].as_bytes()


@pytest.mark.rule("D30")
def test_without_a_server_mail_waits_and_one_run_tries_once(db: None, settings: Any, at: datetime):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.MAIL_HOST, settings.MAIL_PORT = free.getsockname()
    queue(at, "a")
    queue(at, "b")
    assert deliver(at) == 0
    assert sorted(OutgoingMail.objects.values_list("tries", flat=True)) == [0, 1]
    with mail_server(settings) as server:
        assert deliver(at + MINUTE) == 2
        assert len(set(server.ids)) == 2


@pytest.mark.rule("D30")
def test_two_workers_send_each_mail_once(fresh_db: str, server: MailServer, at: datetime):
    for number in range(40):
        queue(at, str(number))
    sent: list[int] = []

    def work() -> None:
        try:
            sent.append(deliver(at))
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(sent) == 40
    assert len(server.ids) == len(set(server.ids)) == 40


@pytest.mark.rule("D30")
def test_a_worker_that_died_with_a_claim_loses_it_with_its_lease(
    fresh_db: str, server: MailServer, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    mail = queue(at)

    def die(*_args: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(outgoing, "_send", die)
        with pytest.raises(SystemExit):
            deliver(at)
    assert deliver(at + LEASE - timedelta(seconds=1)) == 0
    assert deliver(at + LEASE) == 1
    assert server.ids == [mail.message_id]


@pytest.mark.rule("D30")
def test_the_late_outcome_of_a_worker_that_slept_touches_nothing(fresh_db: str, server: MailServer, at: datetime):
    mail = queue(at)
    server.go_on.clear()

    def sleeper() -> None:
        try:
            deliver(at)
        finally:
            connections.close_all()

    sleeping = threading.Thread(target=sleeper)
    sleeping.start()
    assert server.arrived.wait(10)
    assert deliver(at + MINUTE) == 0, "it is claimed"
    server.rcpt = "550 gone by now"
    assert deliver(at + LEASE) == 0
    server.go_on.set()
    sleeping.join(10)
    mail.refresh_from_db()
    assert (mail.sent_at, mail.failed_at, mail.fence) == (None, at + LEASE, 2)
    assert mail.last_error == "550 gone by now"


@pytest.mark.rule("D30")
def test_mail_is_sent_outside_any_transaction(
    db: None, server: MailServer, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    around = len(connection.savepoint_ids)
    seen: list[int] = []
    real = outgoing._send

    def looking(*args: Any) -> None:
        seen.append(len(connection.savepoint_ids))
        real(*args)

    monkeypatch.setattr(outgoing, "_send", looking)
    queue(at)
    deliver(at)
    assert seen == [around]


@pytest.mark.rule("D30")
def test_what_frameworks_send_goes_into_the_outbox(db: None, settings: Any, clock_at: datetime):
    settings.EMAIL_BACKEND = "supportdesk.mail.backend.OutboxBackend"
    message = EmailMultiAlternatives("Sign-in\ncode", "ABC", "evil@x.example", ["a@b.example"], cc=["c@d.example"])
    message.attach_alternative("<b>ABC</b>", "text/html")
    assert message.send() == 1
    rows = OutgoingMail.objects.order_by("id").values_list(
        "to_address", "subject", "text", "html", "automatic", "queued_at"
    )
    assert list(rows) == [
        ("a@b.example", "Sign-in code", "ABC", "<b>ABC</b>", True, clock_at),
        ("c@d.example", "Sign-in code", "ABC", "<b>ABC</b>", True, clock_at),
    ]
    message.attach("x.txt", "x")
    with pytest.raises(ValueError, match="no attachments"):
        message.send()


@pytest.mark.rule("D30")
def test_an_admin_sees_what_failed_and_tries_it_again(
    db: None, server: MailServer, clock_at: datetime, rf: Any, monkeypatch: pytest.MonkeyPatch
):
    site_admin = OutgoingMailAdmin(OutgoingMail, None)  # type: ignore[arg-type]
    said: list[str] = []
    monkeypatch.setattr(site_admin, "message_user", lambda _request, words, _level: said.append(words))
    server.rcpt = "550 no"
    mail = queue(clock_at)
    deliver(clock_at)
    mail.refresh_from_db()
    assert site_admin.state(mail) == "failed"
    request = rf.get("/")
    assert not site_admin.has_change_permission(request)
    assert not site_admin.has_delete_permission(request)
    site_admin.try_again(request, OutgoingMail.objects.all())
    assert said == ["1 mail is tried again."]
    server.rcpt = "250 OK"
    assert deliver(clock.now()) == 1
    mail.refresh_from_db()
    assert site_admin.state(mail) == "sent"


@pytest.mark.rule("D30")
def test_the_late_outcome_of_an_old_claim_touches_nothing_of_the_new_one(db: None, at: datetime):
    """While the second worker sends: the first one's failure must not free the mail for a third."""
    queue(at)
    first, second = outgoing._claim(at), outgoing._claim(at + LEASE)
    assert first is not None
    assert second is not None
    assert not outgoing._record(first, next_try_at=at, last_error="late")
    mail = OutgoingMail.objects.get()
    assert (mail.fence, mail.claimed_until, mail.last_error) == (2, second.claimed_until, "")
    assert outgoing._record(second, sent_at=at + LEASE)
