"""Mails filed a second through the gateway, beside django-helpdesk, with few and with many incidents."""

from __future__ import annotations

import itertools
import json
import os
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]  # comes without types
import pytest
from django.conf import settings
from django.db import connection

from incidents.models import Incident, Message, Product, Release
from supportdesk.clock import set_to
from supportdesk.mail.models import RawMail
from tests.bench.conftest import Table
from tests.bench.homes import rival_python
from tests.bench.many import copies
from tests.bench.test_lists import _contact, _open
from tests.cast import Cast
from tests.conftest import _owner_sql

SIZES = (1_000, 200_000)
MAILS = 1_000
SENDERS = 4
FILERS = 2
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast it went: mails, the seconds they took, and the processor's time that our processes took for each."""

    mails: int
    seconds: float
    worked: float = 0.0

    @property
    def row(self) -> tuple[str, str]:
        return f"{self.mails / self.seconds:,.0f}", f"{self.worked / self.mails * 1000:.1f}" if self.worked else ""


@pytest.mark.usefixtures("fresh_db")
def test_mails_filed_a_second(committed_cast: Cast, at: datetime, table: Table) -> None:
    release = Release.objects.create(
        product=Product.objects.create(name="Bench"), name="1", released_on=at.date() - timedelta(days=30)
    )
    contacts = [_contact(n, at, points=40_000) for n in range(100)]
    with set_to(at):
        _open(range(MAILS), contacts, release, owner=committed_cast.technician, at=at)
    mine = list(Incident.objects.select_related("contact").order_by("pk"))
    rival = _rival()
    rows = [("text and HTML, 2 KB each", "incidents", "mails/s", "ms of CPU a mail", "wrong")]
    for number, size in enumerate(SIZES):
        if size > MAILS:
            copies(mine[0], size - MAILS, contacts=contacts, round_=number)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        before = Message.objects.filter(via="mail").count()
        paces = _ours(number, mine)
        wrong = 3 * MAILS - (Message.objects.filter(via="mail").count() - before)
        rows.extend((name, f"{size:,}", *pace.row, str(wrong)) for name, pace in paces.items())
        if rival:
            their = Pace(mails=rival[number]["added"], seconds=rival[number]["seconds"], worked=rival[number]["worked"])
            rows.append(("django-helpdesk, from a folder", f"{size:,}", *their.row, str(MAILS - their.mails)))
            ours = next(iter(paces.values()))
            ratio = ours.mails / ours.seconds * their.seconds / their.mails
            rows.append((f"{next(iter(paces))} is", "", f"{ratio:,.1f}×", "", ""))
    if rival is None:
        rows.append(("django-helpdesk", "", "could not be installed", "", ""))
    table(f"{MAILS:,} mails in: ours by SMTP; its own, one process, sends by a backend that does nothing", rows)


def _ours(number: int, incidents: list[Incident]) -> dict[str, Pace]:
    """Gateway and filers at once, each a process of its own, as they run; then each of them alone."""
    sent = itertools.count(number * 10**6)
    paces = {}
    with _running(GATEWAY) as gateway:
        port = int(gateway.said)
        for name, filers in ((f"{FILERS} filers", FILERS), ("one filer", 1)):
            mails = _mails(incidents, sent)
            with ExitStack() as stack:
                began, spent = time.perf_counter(), gateway.spent()
                running = [stack.enter_context(_running(FILER)) for _n in range(filers)]
                _send(mails, port)
                _wait_until_filed()
                seconds = time.perf_counter() - began
                worked = gateway.spent() - spent + sum(filer.spent() for filer in running)
            paces[f"gateway and {name}"] = Pace(mails=MAILS, seconds=seconds, worked=worked)
        mails = _mails(incidents, sent)
        began, spent = time.perf_counter(), gateway.spent()
        _send(mails, port)
        paces["gateway alone"] = Pace(mails=MAILS, seconds=time.perf_counter() - began, worked=gateway.spent() - spent)
    with _running(FILER) as filer:
        began, spent = time.perf_counter(), filer.spent()
        _wait_until_filed()
        paces["one filer alone"] = Pace(mails=MAILS, seconds=time.perf_counter() - began, worked=filer.spent() - spent)
    return paces


def _mails(incidents: list[Incident], numbers: Iterator[int]) -> list[tuple[str, str]]:
    return [
        (
            one.contact.email,
            a_mail(next(numbers), sender=one.contact.email, subject=f"Re: [{one.shown_number}] It"),
        )
        for one in incidents
    ]


def _wait_until_filed() -> None:
    while RawMail.objects.filter(outcome="").exists():
        time.sleep(0.01)


def _send(mails: list[tuple[str, str]], port: int) -> None:
    def some(part: list[tuple[str, str]]) -> None:
        with smtplib.SMTP("127.0.0.1", port) as smtp:
            for sender, mail in part:
                smtp.sendmail(sender, [f"support@{settings.MAIL_DOMAIN}"], mail.encode())

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(some, [mails[n::SENDERS] for n in range(SENDERS)]))


START = """
import sys, time, django
django.setup()
from django.db import connections
connections.settings["default"]["NAME"] = sys.argv[1]
connections["default"].settings_dict["NAME"] = sys.argv[1]
"""
GATEWAY = """
from supportdesk.mail.gateway import Gateway
gateway = Gateway(host="127.0.0.1", port=0)
gateway.start()
print(gateway.port, flush=True)
sys.stdin.read()
gateway.stop()
"""
FILER = """
import threading
from incidents.tasks import file_mails
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
print("ready", flush=True)
while not done.is_set():
    file_mails() or time.sleep(0.01)
"""


@dataclass(slots=True)
class Running:
    """A process of the desk, and the line that it said once it was ready."""

    process: psutil.Process
    said: str

    def spent(self) -> float:
        """The processor's seconds that it has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def _running(code: str) -> Iterator[Running]:
    with subprocess.Popen(
        [sys.executable, "-c", START + code, connection.settings_dict["NAME"]],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield Running(psutil.Process(process.pid), process.stdout.readline())
        process.communicate()


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
