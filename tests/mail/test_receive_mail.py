"""Mail in by a pipe: stored first, one line of JSON, and the exit status that mail servers know (D29)."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from incidents.inbound import file_mail
from incidents.models import HeldMail, HeldReason, Message
from supportdesk.mail.incoming import store_raw
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents_helpers import opened
from tests.mail.test_gateway import FULL, owner_sql
from tests.mail.test_incoming import MAIL

pytestmark = pytest.mark.rule("D29")


def piped(source: bytes, *args: str) -> dict[str, Any]:
    """What the command prints: one line of JSON."""
    out = io.StringIO()
    call_command("receive_mail", *args, stdin=io.BytesIO(source), stdout=out)
    (line,) = out.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def about(number: str, text: str = "More of it") -> bytes:
    return (
        f"From: olive@acme.example\r\nDate: Tue, 1 Dec 2026 10:00:00 -0500\r\nMessage-ID: <9@acme.example>\r\n"
        f"Subject: Re: [{number}]\r\n\r\n{text}\r\n"
    ).encode()


def test_a_mail_is_stored_filed_and_answered(cast: Cast, clock_at: datetime):
    incident = opened(cast.owner, at=clock_at)
    said = piped(about(incident.number), "--from", "olive@acme.example", "--to", "support@support.quillmark.example")
    raw = RawMail.objects.get()
    assert said == {"outcome": "added", "incident": incident.number, "reason": "", "raw": raw.pk}
    assert (raw.via, raw.mail_from, raw.rcpt_to) == (
        "pipe",
        "olive@acme.example",
        ["support@support.quillmark.example"],
    )
    again = piped(about(incident.number), "--mailbox", "support@support.quillmark.example")
    assert again == {"outcome": "duplicate", "incident": incident.number, "reason": "added", "raw": raw.pk}
    assert Message.objects.filter(raw_mail=raw).count() == 1


def test_what_is_held_says_why(cast: Cast, clock_at: datetime):
    assert piped(MAIL.replace(b"olive", b"stranger"))["reason"] == HeldReason.UNKNOWN_SENDER
    assert piped(b"\xff\x00 nothing that a mail is")["outcome"] == "held"


@pytest.mark.rule("D28")
def test_a_report_with_an_empty_sender_is_automatic(cast: Cast, clock_at: datetime):
    said = piped(MAIL, "--from", "")
    assert (said["outcome"], said["reason"]) == ("held", HeldReason.AUTOMATIC)


def test_the_line_that_mailboxes_put_before_a_mail_is_no_part_of_it(db: None, clock_at: datetime):
    piped(b"From olive@acme.example Tue Dec  1 10:00:00 2026\n" + MAIL)
    assert bytes(RawMail.objects.get().source) == MAIL


@pytest.mark.rule("D31")
def test_too_large_a_mail_is_refused_for_good_with_the_limit(db: None, clock_at: datetime):
    with pytest.raises(CommandError, match="25 MB") as refused:
        piped(MAIL + b"x" * POLICY.mail_bytes_max)
    assert refused.value.returncode == 65
    assert not RawMail.objects.exists()


def test_what_could_not_be_stored_is_to_come_again(fresh_db: str, clock_at: datetime):
    owner_sql(fresh_db, FULL, "CREATE TRIGGER full_disk BEFORE INSERT ON mail_rawmail EXECUTE FUNCTION full_disk()")
    with pytest.raises(CommandError, match="No space left") as refused:
        piped(MAIL)
    assert refused.value.returncode == 75
    with pytest.raises(CommandError, match="empty") as refused:
        piped(b"")
    assert refused.value.returncode == 75


def test_as_a_program_it_prints_one_line_and_nothing_else(committed_cast: Cast, fresh_db: str):
    code = (
        "import sys, django; django.setup(); from django.db import connections;"
        f"connections.settings['default']['NAME'] = {fresh_db!r};"
        f"connections['default'].settings_dict['NAME'] = {fresh_db!r};"
        "from django.core.management import execute_from_command_line as run;"
        "run(['manage.py', 'receive_mail', *sys.argv[1:]])"
    )
    connection.close()
    for source, status, outcome in ((MAIL, 0, "draft"), (MAIL, 0, "duplicate"), (b"", 75, None)):
        ran = subprocess.run(
            [sys.executable, "-c", code],
            input=source,
            capture_output=True,
            cwd=Path(__file__).parents[2],
            env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
            check=False,
        )
        assert ran.returncode == status, ran.stderr
        assert (json.loads(ran.stdout)["outcome"] if ran.stdout else None) == outcome


@pytest.mark.rule("D31")
def test_of_a_mail_that_was_too_large_in_a_mailbox_its_sender_is_told_once(cast: Cast, clock_at: datetime):
    header = about("0").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    for number, more in enumerate((b"", b"Auto-Submitted: auto-replied\r\n", b"X-Other: mail\r\n")):
        raw, _new = store_raw(
            source=more + header,
            mail_from="olive@acme.example",
            rcpt_to=[],
            at=clock_at,
            via="imap",
            refused_bytes=26_500_000 + number,
        )
        assert file_mail(raw_id=raw.pk, at=clock_at) == "held"
    assert set(HeldMail.objects.values_list("reason", flat=True)) == {HeldReason.TOO_BIG}
    mail = OutgoingMail.objects.get(kind="too_big")
    assert "25 MB" in mail.text
    assert (mail.to_address, mail.in_reply_to) == ("olive@acme.example", "<9@acme.example>")
