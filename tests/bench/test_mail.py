"""Mails filed a second through the gateway, beside django-helpdesk, with few and with many incidents."""

from __future__ import annotations

import json
import os
import smtplib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from incidents.models import Incident, Message, Product, Release
from supportdesk.clock import set_to
from supportdesk.mail.gateway import Gateway
from tests.bench.conftest import Table
from tests.bench.homes import rival_python
from tests.bench.test_lists import _contact, _open
from tests.cast import Cast
from tests.conftest import _owner_sql

SIZES = (1_000, 200_000)
MAILS = 1_000
SENDERS = 4
ROOT = Path(__file__).resolve().parent.parent.parent
BODY = """\
That did help, thank you. One thing is left: after the restart the first delivery takes a minute,
and the log says "queue locked" meanwhile. Is that meant to be so? {n}

Best regards,
Casey

On Mon, 30 Nov 2026 at 15:20, Quillmark support <support@support.quillmark.example> wrote:
> Please stop the service, remove the lock file and start it again.
> If it comes back, send us the log of that night.
>
> Tess, Quillmark support
"""
HTML = "<html><body>" + "".join(f"<p>{line}</p>" for line in BODY.splitlines()) + "</body></html>"


def a_mail(n: int, *, sender: str = "SENDER", subject: str = "SUBJECT") -> str:
    """An answer as a mail program writes it: text and HTML, the old mail quoted below."""
    return (
        f"Return-Path: <{sender}>\nReceived: from mx.bench.example by mail.quillmark.example; "
        f"Tue, 1 Dec 2026 15:00:00 +0000\nFrom: Casey Bench <{sender}>\nTo: support@{settings.MAIL_DOMAIN}\n"
        f"Subject: {subject}\nMessage-ID: <{n}.bench@bench.example>\nDate: Tue, 1 Dec 2026 15:00:00 +0000\n"
        'MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="=_bench"\n\n'
        f"--=_bench\nContent-Type: text/plain; charset=utf-8\n\n{BODY.format(n=n)}\n"
        f"--=_bench\nContent-Type: text/html; charset=utf-8\n\n{HTML.format(n=n)}\n--=_bench--\n"
    )


@pytest.mark.usefixtures("fresh_db")
def test_mails_filed_a_second(committed_cast: Cast, at: datetime, table: Table) -> None:
    release = Release.objects.create(
        product=Product.objects.create(name="Bench"), name="1", released_on=at.date() - timedelta(days=30)
    )
    contacts = [_contact(n, at, points=40_000) for n in range(100)]
    rival = _rival()
    rows = [("text and HTML, 2 KB each", "incidents", "mails/s", "gateway alone/s", "filing alone/s", "wrong")]
    made = 0
    rates = {}
    for number, size in enumerate(SIZES):
        with set_to(at):
            _open(range(made, size), contacts, release, owner=committed_cast.technician, at=at)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        made = size
        both, stored, filed, wrong = _ours(number)
        rates[size] = both
        rows.append(("this desk", f"{size:,}", f"{both:,.0f}", f"{stored:,.0f}", f"{filed:,.0f}", str(wrong)))
        if rival:
            rate = rival[number]["added"] / rival[number]["seconds"]
            missing = str(MAILS - rival[number]["added"])
            rows.append(("django-helpdesk, mails from a folder", f"{size:,}", f"{rate:,.0f}", "", "", missing))
            rows.append(("ours is", "", f"{both / rate:,.1f}×", "", "", ""))
    if rival is None:
        rows.append(("django-helpdesk", "", "could not be installed", "", "", ""))
    table("Mails in", rows)


def _ours(number: int) -> tuple[float, float, float, int]:
    """Mails a second with gateway and filer at once, each in a process of its own; then each of them alone."""
    incidents = list(Incident.objects.select_related("contact").order_by("-pk")[:MAILS]) * 2
    mails = [
        (
            one.contact.email,
            a_mail(number * 10**6 + n, sender=one.contact.email, subject=f"Re: [{one.shown_number}] It"),
        )
        for n, one in enumerate(incidents)
    ]
    before = Message.objects.filter(via="mail").count()
    gateway = Gateway(host="127.0.0.1", port=0)
    gateway.start()
    try:
        began = time.perf_counter()
        filer = _filer(MAILS)
        _send(mails[:MAILS], gateway.port)
        filer.wait()
        both = MAILS / (time.perf_counter() - began)
        began = time.perf_counter()
        _send(mails[MAILS:], gateway.port)
        stored = MAILS / (time.perf_counter() - began)
    finally:
        gateway.stop()
    began = time.perf_counter()
    _filer(MAILS).wait()
    filed = MAILS / (time.perf_counter() - began)
    wrong = 2 * MAILS - (Message.objects.filter(via="mail").count() - before)
    return both, stored, filed, wrong


def _send(mails: list[tuple[str, str]], port: int) -> None:
    def some(part: list[tuple[str, str]]) -> None:
        with smtplib.SMTP("127.0.0.1", port) as smtp:
            for sender, mail in part:
                smtp.sendmail(sender, [f"support@{settings.MAIL_DOMAIN}"], mail.encode())

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(some, [mails[n::SENDERS] for n in range(SENDERS)]))


FILER = """
import sys, time, django
django.setup()
from django.db import connections
connections.settings["default"]["NAME"] = sys.argv[1]
connections["default"].settings_dict["NAME"] = sys.argv[1]
from incidents.tasks import file_mails
left = int(sys.argv[2])
print("ready", flush=True)
while left > 0:
    done = file_mails()
    left -= done
    done or time.sleep(0.02)
"""


def _filer(count: int) -> subprocess.Popen[str]:
    filer = subprocess.Popen(
        [sys.executable, "-c", FILER, connection.settings_dict["NAME"], str(count)],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert filer.stdout is not None
    filer.stdout.readline()
    return filer


def _rival() -> list[dict[str, Any]] | None:
    """The same mails taken by django-helpdesk, in a database of its own on the same server."""
    python = rival_python()
    if python is None:
        return None
    owner = settings.DATABASE_OWNER
    database = {
        "NAME": "desk_bench_helpdesk",
        "USER": owner["USER"],
        "PASSWORD": owner["PASSWORD"],
        "HOST": owner["HOST"] or owner.get("OPTIONS", {}).get("host"),
        "PORT": owner["PORT"],
    }
    _owner_sql("DROP DATABASE IF EXISTS desk_bench_helpdesk", "CREATE DATABASE desk_bench_helpdesk")
    rounds = [[size, [a_mail(part * 10**6 + n) for n in range(MAILS)]] for part, size in enumerate(SIZES)]
    done = subprocess.run(
        [python, str(Path(__file__).with_name("rival_mail.py"))],
        input=json.dumps({"database": database, "rounds": rounds}),
        capture_output=True,
        text=True,
        check=True,
    )
    _owner_sql("DROP DATABASE desk_bench_helpdesk")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
