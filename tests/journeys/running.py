"""The desk as real processes: Redis, web, a worker, beat, the mail gateway and a mailbox, on free ports.

It is the demo's supervisor with a real Redis and a worker apart from beat, on a database of its own in the tests'
server. What a killed run left behind is ended by the next one in the same folder.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisGone

from incidents.numbers import grouped
from supportdesk import children
from supportdesk.demo import mailbox
from supportdesk.demo.client import Page, Visitor
from supportdesk.demo.people import PASSWORD
from supportdesk.demo.provider.client import ProviderClient
from supportdesk.demo.supervisor import KEYS, LOCAL, ROOT, Demo, Ports, end_leftovers, free_port, only_one
from tests.conftest import _owner_sql

CUSTOMER, TECHNICIAN, ADMIN = (
    "isla.renwick@harbour-heath.example",
    "maya.okafor@quillmark.example",
    "ada.lindqvist@quillmark.example",
)
WAIT_SECONDS = 45
Found = TypeVar("Found")


def until(look: Callable[[], Found], what: str, *, seconds: float = WAIT_SECONDS) -> Found:
    """Looks again and again until it finds something, and gives that; fails after ``seconds``."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.1)
    return found


class RunningDesk(Demo):
    """One desk in ``home``, on the database ``name``."""

    def __init__(self, home: Path, name: str) -> None:
        web, gateway, box, redis, provider = _five_ports()
        super().__init__(home, Ports(web=web, gateway=gateway, mailbox=box, provider=provider))
        self.provider = ProviderClient(base=self.provider_url, secret_key=KEYS[0], publishable_key=KEYS[1])
        self.name = name
        self.redis_port = redis
        self.redis_password = secrets.token_hex(16)
        self.manage_command = [sys.executable, str(ROOT / "manage.py")]
        self.mails_dir = home / "mailbox"

    # Start and stop

    def start(self) -> None:
        """Starts everything; returns once all parts answer."""
        application, owner = (
            urlunsplit(urlsplit(os.environ[name])._replace(path=f"/{self.name}"))
            for name in ("DATABASE_URL", "DATABASE_OWNER_URL")
        )
        self.env = self._environment(application, owner) | {
            "REDIS_URL": f"redis://:{self.redis_password}@{LOCAL}:{self.redis_port}/0",
            "LOG_LEVEL": "INFO",
        }
        self.start_part("redis")
        self._finish("migrate", [*self.manage_command, "migrate", "--noinput"])
        self._finish("load_demo", [*self.manage_command, "load_demo"])
        for name in self._commands(self.manage_command):
            if name != "redis":
                self.start_part(name)
        self._until_ready()

    def stop(self) -> None:
        """Stops everything, within seconds."""
        children.stop_children(list(self.children.values()), seconds=8)
        (self.home / "demo-children.json").unlink(missing_ok=True)

    def start_part(self, name: str) -> None:
        """Starts one part, for the first time or again; Redis answers when this returns."""
        self._start_child(name, self._commands(self.manage_command)[name])
        if name == "redis":
            until(self._redis_answers, "Redis", seconds=20)

    def kill_part(self, name: str) -> None:
        """Kills a part's whole group, as a power cut would: it gets no word before."""
        child = self.children.pop(name)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(10)
        self._note_children()

    def _commands(self, manage: Sequence[str]) -> dict[str, list[str]]:
        celery = [sys.executable, "-m", "celery", "-A", "supportdesk"]
        parts = super()._commands(manage) | {
            "worker": [*celery, "worker", "--concurrency", "2", "--loglevel", "INFO"],
            "beat": [*celery, "beat", "--loglevel", "INFO", "--pidfile="],
        }
        return {"redis": ["redis-server", str(self._redis_settings())]} | parts

    def _redis_settings(self) -> Path:
        folder = self.home / "redis"
        folder.mkdir(exist_ok=True)
        path = folder / "redis.conf"
        path.touch(mode=0o600)
        path.write_text(
            f"bind {LOCAL}\nport {self.redis_port}\ndir {folder}\nrequirepass {self.redis_password}\n"
            'save ""\nappendonly no\ndaemonize no\n'
        )
        return path

    def _redis_answers(self) -> bool:
        with suppress(RedisGone), Redis(host=LOCAL, port=self.redis_port, password=self.redis_password) as redis:
            return bool(redis.ping())
        return False

    # Looking and doing from outside

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of the desk's own commands, on this desk."""
        command = [*self.manage_command, *arguments]
        return subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, check=False)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query gives, asked as the application's role."""
        with psycopg2.connect(self.env["DATABASE_URL"]) as connection, connection.cursor() as cursor:
            cursor.execute(sql, values)
            found = cursor.fetchall()
        connection.close()
        return found

    def visitor(self, email: str) -> Visitor:
        """Somebody who has signed in by password, without a browser."""
        visitor = Visitor(self.base_url)
        page = visitor.send(visitor.get("/accounts/sign-in/"), "/sign-in/", login=email, password=PASSWORD)
        assert "/sign-in/" not in page.url, page.errors()
        return visitor

    def report(self, visitor: Visitor, subject: str, text: str = "Since Monday.") -> Page:
        """Sends the form; gives the page that follows: the incident's, or the draft's."""
        page = visitor.get("/report/")
        release = str(page.first("//select[@name='release']//option[normalize-space(@value)]/@value"))
        return visitor.send(page, "/report/", release=release, kind="operation", subject=subject, text=text)

    def grant(self, customer: str, points: int) -> None:
        """Gives a customer points, in Django admin."""
        [(pk,)] = self.rows("SELECT id FROM people_customer WHERE name = %s", customer)
        admin = self.visitor(ADMIN)
        page = admin.get("/admin/points/purchase/add/")
        made = admin.send(page, "", customer=str(pk), kind="grant", points=str(points), reason="For the tests")
        assert "was added" in made.text, made.errors()

    def post(self, mail: EmailMessage) -> None:
        """Hands a mail to the gateway, as the mail server of the world outside."""
        with smtplib.SMTP(LOCAL, self.ports.gateway, timeout=20) as server:
            server.send_message(mail)

    def mails(self, part_of_subject: str) -> list[mailbox.Mail]:
        """The mails that left the desk with these words in the subject, newest first."""
        return [mail for mail in mailbox.newest(self.mails_dir, at_most=500) if part_of_subject in mail.subject]

    def mail_to(self, email: str, number: str, words: str) -> mailbox.Mail:
        """The one mail to somebody whose subject has that ticket number, and that says those words."""
        subject = f"[{' '.join(grouped(number).split())}]"

        def found() -> list[mailbox.Mail]:
            return [mail for mail in self.mails(subject) if email in mail.recipients and says(mail, words)]

        mails = until(found, f"“{subject}” with “{words}”")
        assert len(mails) == 1, [mail.subject for mail in mails]
        return mails[0]


def says(mail: mailbox.Mail, words: str) -> bool:
    """True where a mail's text has those words, however its lines are broken."""
    return words in " ".join(mail.text.split())


def number_of(page: Page) -> str:
    """The ticket number in the address of an incident's page."""
    assert "/incidents/" in page.url, (page.url, page.errors())
    return page.url.rstrip("/").rsplit("/", 1)[1]


def _five_ports() -> list[int]:
    picked: list[int] = []
    for _ in range(5):
        picked.append(free_port(0, but_not=picked))
    return picked


_running: list[RunningDesk] = []
_users = 0


@contextmanager
def shared_desk(request: pytest.FixtureRequest) -> Iterator[RunningDesk]:
    """The one running desk of this process: started by the first who asks, stopped by the last who leaves."""
    global _users
    if not _running:
        _start(getattr(request.config, "workerinput", {}).get("workerid", "gw"))
    _users += 1
    try:
        yield _running[0]
    finally:
        _users -= 1
        if not _users:
            _stop(_running.pop())


def _start(worker: str) -> None:
    home = Path(os.environ["DESK_HOME"]).resolve() / f"running-{worker}"
    with only_one(home):
        end_leftovers(home)
    shutil.rmtree(home)
    home.mkdir(mode=0o700)
    desk = RunningDesk(home, f"desk_running_{worker}")
    _owner_sql(f"DROP DATABASE IF EXISTS {desk.name} WITH (FORCE)", f"CREATE DATABASE {desk.name}")
    try:
        desk.start()
    except BaseException:
        _stop(desk)
        raise
    _running.append(desk)


def _stop(desk: RunningDesk) -> None:
    desk.stop()
    _owner_sql(f"DROP DATABASE IF EXISTS {desk.name} WITH (FORCE)")
    shutil.rmtree(desk.home, ignore_errors=True)
