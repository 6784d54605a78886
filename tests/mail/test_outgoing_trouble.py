"""Mail servers that misbehave: the mail waits, with one Message-ID, and the operator sees why (D30, D39)."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from supportdesk.mail.models import MailDoor, OutgoingMail
from tests.mail.smtp import MailServer, mail_server
from tests.mail.test_outgoing import deliver, queue

pytestmark = [pytest.mark.rule("D30"), pytest.mark.rule("D39")]

MINUTE = timedelta(minutes=1)


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    settings.MAIL_TIMEOUT_SECONDS = 1
    with mail_server(settings) as running:
        yield running


def door() -> MailDoor:
    return MailDoor.objects.get(name="out")


def fails_and_goes_out_later(settings: Any, at: datetime, why: str) -> None:
    """One mail, one try that fails with the connection, the other mails untouched; then a good server."""
    mail, other = queue(at, "a"), queue(at, "b")
    assert deliver(at) == 0
    mail.refresh_from_db()
    other.refresh_from_db()
    assert (mail.failed_at, mail.next_try_at, mail.tries, other.tries) == (None, at + MINUTE, 1, 0)
    assert why in mail.last_error
    assert (door().failing_since, door().worked_at) == (at, None)
    assert why in door().last_error
    settings.MAIL_STARTTLS, settings.MAIL_USER = False, ""
    with mail_server(settings) as good:
        assert deliver(at + MINUTE) == 2
        assert sorted(good.ids) == sorted([mail.message_id, other.message_id])
    assert (door().failing_since, door().last_error, door().worked_at) == (None, "", at + MINUTE)


def test_a_server_that_hangs_before_its_greeting(db: None, settings: Any, at: datetime):
    settings.MAIL_TIMEOUT_SECONDS, settings.MAIL_HOST = 1, "127.0.0.1"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.MAIL_PORT = silent.getsockname()[1]
        fails_and_goes_out_later(settings, at, "timed out")


@pytest.mark.parametrize("where", ["MAIL", "RCPT", "DATA"])
def test_a_server_that_hangs_in_the_middle(db: None, server: MailServer, settings: Any, at: datetime, where: str):
    server.hangs_at = where
    server.go_on.clear()
    fails_and_goes_out_later(settings, at, "timed out")
    # After DATA it has the mail and did not say so: it comes twice, with one Message-ID.
    assert len(server.got) == (where == "DATA")


@pytest.mark.parametrize("where", ["MAIL", "RCPT", "DATA"])
def test_a_server_that_drops_the_line(db: None, server: MailServer, settings: Any, at: datetime, where: str):
    server.drops_at = where
    fails_and_goes_out_later(settings, at, "SMTPServerDisconnected")
    assert server.ids == [OutgoingMail.objects.get(key="a").message_id] * (where == "DATA")


@pytest.mark.parametrize("answer", ["451 4.3.0 not now", "550 5.7.1 not from there"])
def test_a_server_that_refuses_our_own_address_refuses_no_mail(
    db: None, server: MailServer, settings: Any, at: datetime, answer: str
):
    """For good or for now: it is our set-up that is wrong, so everything waits until it is mended."""
    server.mail = answer
    fails_and_goes_out_later(settings, at, answer)


@pytest.mark.parametrize("where", ["rcpt", "data"])
def test_a_server_that_closes_for_now(db: None, server: MailServer, settings: Any, at: datetime, where: str):
    setattr(server, where, "421 4.3.2 closing for the night")
    fails_and_goes_out_later(settings, at, "421 4.3.2 closing for the night")


def test_wrong_credentials_are_the_door_s_trouble_and_no_mail_s(
    db: None, server: MailServer, settings: Any, at: datetime
):
    server.user, server.password = "desk", "right"
    settings.MAIL_USER, settings.MAIL_PASSWORD = "desk", "wrong"
    mail = queue(at)
    assert deliver(at) == 0
    assert door().last_error.startswith("535")
    assert "wrong" not in door().last_error
    settings.MAIL_PASSWORD = "right"
    assert deliver(at + MINUTE) == 1
    assert server.ids == [mail.message_id]
    assert door().failing_since is None


def test_a_server_without_starttls_gets_no_mail(db: None, server: MailServer, settings: Any, at: datetime):
    settings.MAIL_STARTTLS = True
    fails_and_goes_out_later(settings, at, "STARTTLS")
    assert server.got == []


def test_a_certificate_that_nobody_vouches_for_gets_no_mail(db: None, settings: Any, at: datetime, tmp_path: Path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = ["-keyout", str(key), "-out", str(cert), "-days", "2", "-nodes", "-subj", "/CN=127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(["openssl", "req", "-x509", *kind, *made], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    settings.MAIL_STARTTLS, settings.MAIL_TIMEOUT_SECONDS = True, 5
    with mail_server(settings, tls_context=tls) as untrusted:
        mail = queue(at)
        assert deliver(at) == 0
        assert untrusted.got == []
    mail.refresh_from_db()
    assert "certificate verify failed" in mail.last_error
    assert "certificate verify failed" in door().last_error


@pytest.mark.parametrize(("answer", "final"), [("550 no such user", True), ("450 mailbox is busy", False)])
def test_a_refusal_of_one_recipient_says_that_the_door_works(
    db: None, server: MailServer, at: datetime, answer: str, final: bool
):
    server.rcpt = answer
    mail = queue(at)
    assert deliver(at) == 0
    mail.refresh_from_db()
    assert (mail.failed_at is not None, mail.last_error) == (final, answer)
    assert (door().failing_since, door().worked_at) == (None, at)


def test_what_cannot_be_built_says_nothing_of_the_door(db: None, server: MailServer, at: datetime):
    bad = queue(at)
    OutgoingMail.objects.filter(pk=bad.pk).update(to_address="a\r\nb")
    assert deliver(at) == 0
    assert not MailDoor.objects.exists()


def test_a_run_writes_the_door_down_once_for_all_its_mails(
    db: None, server: MailServer, at: datetime, django_assert_max_num_queries: Any
):
    for number in range(20):
        queue(at, str(number))
    # Three statements to claim a mail, one to record it, with two savepoints; and the door.
    with django_assert_max_num_queries(20 * 6 + 12) as asked:
        assert deliver(at) == 20
    assert sum("mail_maildoor" in one["sql"] for one in asked.captured_queries) <= 3
