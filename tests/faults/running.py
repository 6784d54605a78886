"""Real processes of the desk that die where a test says, and what is true of their mail afterwards."""

from __future__ import annotations

import io
import os
import signal
import smtplib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from incidents.tasks import file_mails
from supportdesk import clock
from supportdesk.demo.supervisor import LOCAL, ROOT, free_port
from supportdesk.mail.incoming import LEASE as FILING_LEASE
from supportdesk.mail.outgoing import LEASE
from supportdesk.mail.tasks import deliver
from tests.mail.smtp import MailServer

SECONDS = 60
WORK = [sys.executable, "-m", "tests.faults.work"]
MANAGE = [sys.executable, str(ROOT / "manage.py")]


class Processes:
    """Processes that work in one database; what is still alive at the end is killed."""

    def __init__(self, database: str, home: Path) -> None:
        self.database = database
        self.mark = home / "died"
        self.log = home / "log"
        self.running: list[subprocess.Popen[bytes]] = []

    def start(
        self, command: Sequence[str], *, at: str = "", nth: int = 0, by: str = "SIGKILL", **more: str
    ) -> subprocess.Popen[bytes]:
        """Starts a process; ``at`` is the step at which it dies, or gets the signal ``by``."""
        env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.killed_settings",
            "KILLED_DATABASE": self.database,
            "MAIL_HOST": settings.MAIL_HOST,
            "MAIL_PORT": str(settings.MAIL_PORT),
            "PYTHONPATH": str(ROOT),
            **more,
        }
        if at:
            self.mark.unlink(missing_ok=True)
            env |= {"KILLED_AT": at, "KILLED_NTH": str(nth), "KILLED_MARK": str(self.mark), "KILLED_BY": by}
        with self.log.open("ab") as log:
            pipe = subprocess.PIPE
            process = subprocess.Popen(list(command), env=env, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=log)
        self.running.append(process)
        return process

    def killed(self, command: Sequence[str], *, at: str, nth: int = 0, given: bytes = b"", **more: str) -> None:
        """Runs a process that has to die at a step, by SIGKILL."""
        process = self.start(command, at=at, nth=nth, **more)
        process.communicate(given, timeout=SECONDS)
        assert process.returncode == -signal.SIGKILL, (at, process.returncode, self.said())

    def done(self, command: Sequence[str], *, given: bytes = b"", **more: str) -> str:
        """Runs a process that nothing happens to; gives what it printed."""
        process = self.start(command, at="", nth=0, **more)
        out, _nothing = process.communicate(given, timeout=SECONDS)
        assert process.returncode == 0, self.said()
        return out.decode()

    def gateway(self, *, at: str = "", nth: int = 0) -> tuple[subprocess.Popen[bytes], int]:
        """A gateway on a port of its own, which answers."""
        process = self.start([*MANAGE, "mail_gateway", "--host", LOCAL, "--port", "0"], at=at, nth=nth)
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert line, self.said()
        return process, int(line.rstrip(".\n").rpartition(":")[2])

    @contextmanager
    def web(self, *, at: str) -> Iterator[str]:
        """Web behind gunicorn, as in production: a process of it that dies is followed by one that does not."""
        port = free_port(0)
        base = f"http://{LOCAL}:{port}"
        bind = ["--bind", f"{LOCAL}:{port}", "--threads", "2", "--no-control-socket"]
        process = self.start(
            [sys.executable, "-m", "gunicorn", "supportdesk.wsgi:application", *bind], at=at, BASE_URL=base
        )
        try:
            until(lambda: _answers(base), self.said)
            yield base
            assert self.mark.exists(), f"web did not die: {at}"
        finally:
            process.terminate()
            process.wait(SECONDS)

    def together(self, commands: Iterable[Sequence[str]]) -> list[int]:
        """Runs workers that begin at one moment; gives what each of them did."""
        workers = [self.start(command) for command in commands]
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write(b"\n")
            worker.stdin.flush()
        return [int(worker.communicate(timeout=SECONDS)[0]) for worker in workers]

    def frozen(self, command: Sequence[str], *, at: str, nth: int = 0, **more: str) -> subprocess.Popen[bytes]:
        """A process that stands still at a step, as on a machine that sleeps."""
        process = self.start(command, at=at, nth=nth, by="SIGSTOP", **more)
        stopped = psutil.STATUS_STOPPED
        until(lambda: psutil.Process(process.pid).status() == stopped, self.said)
        return process

    def said(self) -> str:
        """The end of what the processes logged."""
        return self.log.read_text(errors="replace")[-3000:]

    def end(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait(SECONDS)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()


def goes_on(process: subprocess.Popen[bytes]) -> None:
    """Wakes a frozen process, and waits until it has ended."""
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0


def full_but(steps: Iterable[str], *plain: str) -> list[Any]:
    """The steps as parameters: those that are not named stand in the long run alone."""
    return [step if step in plain else pytest.param(step, marks=pytest.mark.full) for step in steps]


def until(look: Callable[[], object], said: Callable[[], str]) -> None:
    """Looks again until it is so."""
    end = time.monotonic() + SECONDS
    while not look():
        assert time.monotonic() < end, said()
        time.sleep(0.02)


def _answers(base: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


def sends(source: bytes, *, port: int, sender: str = "olive@acme.example") -> bool:
    """Hands a mail to the gateway as a mail server does; gives whether it heard 250."""
    try:
        with smtplib.SMTP(LOCAL, port, timeout=SECONDS) as client:
            client.sendmail(sender, [settings.MAIL_FROM], source)
    except (smtplib.SMTPException, OSError):
        return False
    return True


def files_all(*, later: timedelta = timedelta(0)) -> int:
    """What the next worker files; ``later``: once the lease of a dead one is over. Gives how many."""
    with clock.set_to(clock.now() + later):
        return file_mails()


def delivers_all(*, later: timedelta = timedelta(0)) -> int:
    """What the next worker delivers."""
    with clock.set_to(clock.now() + later):
        return deliver()


def settle(server: MailServer) -> None:
    """The next workers, with the leases of all dead ones over; then the last word."""
    files_all(later=FILING_LEASE)
    delivers_all(later=LEASE)
    assert checked() == ""
    same_each_time(server)


def same_each_time(server: MailServer) -> None:
    """A mail that reached the server twice had one Message-ID and the same bytes."""
    once: dict[str, bytes] = {}
    for name, source in zip(server.ids, server.sources, strict=True):
        assert once.setdefault(name, source) == source


def copies(server: MailServer) -> set[int]:
    """How often mails reached the server."""
    return set(Counter(server.ids).values())


def checked() -> str:
    """What ``check_mail`` finds; empty where nothing differs."""
    out = io.StringIO()
    try:
        call_command("check_mail", stdout=out)
    except CommandError:
        return out.getvalue()
    return ""
