"""The gateway over real SMTP: kept before it says so, for our domain only (D29)."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from django.conf import settings
from django.db import connection

from incidents.tasks import file_mails
from supportdesk.mail.gateway import Gateway
from supportdesk.mail.models import MailDoor, RawMail
from supportdesk.policy import POLICY
from tests.mail.test_incoming import MAIL

pytestmark = pytest.mark.rule("D29")

TO = "support@Support.Quillmark.example"


@pytest.fixture
def gateway(fresh_db: str) -> Iterator[Gateway]:
    running = Gateway(host="127.0.0.1", port=0)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def smtp(gateway: Gateway) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP("127.0.0.1", gateway.port, timeout=10) as client:
        yield client


def test_a_mail_is_in_the_database_when_the_gateway_says_so(smtp: smtplib.SMTP):
    assert smtp.sendmail("olive@acme.example", [TO], MAIL) == {}
    (raw,) = RawMail.objects.all()
    assert bytes(raw.source) == MAIL
    assert (raw.mail_from, raw.rcpt_to, raw.via, raw.outcome) == ("olive@acme.example", [TO], "smtp", "")


def test_the_same_mail_again_is_counted(smtp: smtplib.SMTP):
    for source in (MAIL, MAIL, b"Received: by mx\r\n" + MAIL):
        smtp.sendmail("olive@acme.example", [TO], source)
    assert sorted(RawMail.objects.values_list("deliveries", flat=True)) == [1, 2]
    file_mails()
    assert RawMail.objects.exclude(outcome="duplicate").get().deliveries == 3


@pytest.mark.rule("D28")
def test_a_report_with_an_empty_sender_is_taken(smtp: smtplib.SMTP):
    smtp.sendmail("", [TO], MAIL)
    assert RawMail.objects.get().mail_from == ""


@pytest.mark.parametrize("address", ["a@evil.example", "support@support.quillmark.example.evil.example", "support"])
def test_mail_for_others_is_not_relayed(smtp: smtplib.SMTP, address: str):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        smtp.sendmail("olive@acme.example", [address], MAIL)
    assert refused.value.recipients[address][0] == 550
    assert not RawMail.objects.exists()


def test_too_big_a_mail_is_refused_with_the_limit(smtp: smtplib.SMTP):
    limit = f"{POLICY.mail_bytes_max // 1024**2} MB".encode()
    big = MAIL + (b"x" * 998 + b"\r\n") * (POLICY.mail_bytes_max // 1000 + 1)
    smtp.ehlo()
    assert int(smtp.esmtp_features["size"]) == POLICY.mail_bytes_max
    with pytest.raises(smtplib.SMTPSenderRefused) as announced:
        smtp.sendmail("olive@acme.example", [TO], big)
    assert announced.value.smtp_code == 552
    assert limit in announced.value.smtp_error
    smtp.mail("olive@acme.example")
    smtp.rcpt(TO)
    code, words = smtp.data(big)
    assert code == 552
    assert limit in words
    assert not RawMail.objects.exists()


def test_a_line_of_two_megabytes_is_taken(smtp: smtplib.SMTP):
    smtp.sendmail("olive@acme.example", [TO], MAIL + b" " * 2_000_000 + b"\r\n")
    assert len(bytes(RawMail.objects.get().source)) > 2_000_000


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r\n\x00.\r\n"])
def test_no_second_mail_is_smuggled_in(gateway: Gateway, end: bytes):
    smuggled = (
        b"MAIL FROM:<boss@acme.example>\r\nRCPT TO:<"
        + TO.encode()
        + b">\r\nDATA\r\nFrom: boss@acme.example\r\n\r\nPay."
    )
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as wire:
        lines = wire.makefile("rb")
        for command in (
            b"",
            b"EHLO x\r\n",
            b"MAIL FROM:<o@evil.example>\r\n",
            b"RCPT TO:<" + TO.encode() + b">\r\n",
            b"DATA\r\n",
        ):
            wire.sendall(command)
            while lines.readline()[3:4] == b"-":
                pass
        wire.sendall(MAIL + b"x" + end + smuggled + b"\r\n.\r\n")
        assert lines.readline().startswith((b"250", b"5"))
        wire.sendall(b"QUIT\r\n")
        assert lines.readline().startswith(b"221")
        lines.close()
    assert [raw.mail_from for raw in RawMail.objects.all()] == ["o@evil.example"]


def owner_sql(name: str, *statements: str) -> None:
    """What the owner of the database does to it meanwhile."""
    owner = settings.DATABASE_OWNER
    host = owner["HOST"] or owner.get("OPTIONS", {}).get("host")
    wire = psycopg2.connect(
        dbname=name, user=owner["USER"], password=owner["PASSWORD"] or None, host=host, port=owner["PORT"] or None
    )
    wire.autocommit = True
    with wire.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    wire.close()


FULL = """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"""


def test_with_a_full_disk_the_sender_comes_again_and_the_operator_sees_it(smtp: smtplib.SMTP, fresh_db: str):
    owner_sql(
        fresh_db,
        FULL,
        "CREATE TRIGGER full_disk BEFORE INSERT ON mail_rawmail EXECUTE FUNCTION full_disk()",
    )
    with pytest.raises(smtplib.SMTPDataError) as refused:
        smtp.sendmail("olive@acme.example", [TO], MAIL)
    assert refused.value.smtp_code == 451
    assert b"disk" not in refused.value.smtp_error
    door = MailDoor.objects.get(name="gateway")
    assert door.failing_since is not None
    assert "No space left on device" in door.last_error
    owner_sql(fresh_db, "DROP TRIGGER full_disk ON mail_rawmail")
    smtp.sendmail("olive@acme.example", [TO], MAIL)
    assert RawMail.objects.count() == 1
    door = MailDoor.objects.get(name="gateway")
    assert (door.failing_since, door.last_error) == (None, "")
    assert door.worked_at is not None


def test_without_a_database_the_sender_comes_again(smtp: smtplib.SMTP, fresh_db: str):
    connection.close()
    owner_sql("postgres", f"ALTER DATABASE {fresh_db} ALLOW_CONNECTIONS false")
    try:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            smtp.sendmail("olive@acme.example", [TO], MAIL)
        assert refused.value.smtp_code == 451
    finally:
        owner_sql("postgres", f"ALTER DATABASE {fresh_db} ALLOW_CONNECTIONS true")
    smtp.sendmail("olive@acme.example", [TO], MAIL)
    assert RawMail.objects.count() == 1


def test_the_command_stops_cleanly_when_told_to():
    command = [sys.executable, "manage.py", "mail_gateway", "--port", "0"]
    running = subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        env=os.environ.copy(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    said = running.stdout.readline()
    found = re.search(r":(\d+)\.$", said)
    assert found, said + running.communicate(timeout=10)[1]
    with smtplib.SMTP("127.0.0.1", int(found[1]), timeout=10) as client:
        assert client.noop()[0] == 250
        running.send_signal(signal.SIGTERM)
        _out, errors = running.communicate(timeout=10)
    assert (running.returncode, errors) == (0, "")
