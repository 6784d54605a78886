"""Mail in by IMAP against a real Dovecot: each mail once, whatever happens in between (D29)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from imapclient import SocketTimeout

from incidents.tasks import file_mails
from supportdesk import clock
from supportdesk.mail import fetching, imap
from supportdesk.mail.fetching import keep_fetching, wait_after
from supportdesk.mail.models import Fetched, MailDoor, RawMail
from supportdesk.mailbox_settings import Mailbox
from supportdesk.policy import POLICY
from tests.incidents_helpers import at_once
from tests.mail.dovecot import PASSWORD, Dovecot
from tests.mail.dovecot import dovecot as dovecot
from tests.mail.test_incoming import MAIL

pytestmark = pytest.mark.rule("D29")

RENEWED = imap.IDLE_SECONDS


class Later(threading.Event):
    """Stops a fetcher after so many waits between connections, without waiting; ``waited`` says how long it would."""

    def __init__(self, waits: int, then: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.waits = waits
        self.waited: list[float | None] = []
        self.then = then

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        if len(self.waited) >= self.waits:
            self.set()
        self.then()
        return self.is_set()


def numbered(number: int) -> bytes:
    return MAIL.replace(b"night", b"night %d" % number).replace(b"<1@", b"<%d@" % number)


def fetch(mailbox: Mailbox) -> bool:
    return keep_fetching(mailbox, now=clock.now, stop=threading.Event(), once=True)


def door() -> MailDoor:
    return MailDoor.objects.get()


def test_mail_is_stored_as_it_came_and_marked(fresh_db: str, dovecot: Dovecot, clock_at: datetime):
    head = b"Return-Path: <olive@acme.example>\r\nDelivered-To: support@support.quillmark.example\r\n"
    dovecot.put(head + MAIL, numbered(2))
    assert fetch(dovecot.mailbox())
    first, second = RawMail.objects.order_by("pk")
    assert bytes(first.source) == head + MAIL
    assert (first.via, first.mail_from, first.received_at) == ("imap", "olive@acme.example", clock_at)
    assert first.rcpt_to == ["support@support.quillmark.example"]
    assert bytes(second.source) == numbered(2)
    assert dovecot.flags() == [[b"\\Seen"], [b"\\Seen"]]
    assert (door().name, door().worked_at, door().failing_since) == (
        f"imap:desk@127.0.0.1:{dovecot.port}/INBOX",
        clock_at,
        None,
    )
    assert fetch(dovecot.mailbox())
    assert list(RawMail.objects.values_list("deliveries", flat=True)) == [1, 1]


def test_what_a_person_has_read_there_is_fetched_all_the_same(fresh_db: str, dovecot: Dovecot):
    dovecot.put(MAIL, numbered(2))
    with dovecot.client() as client:
        client.select_folder("INBOX")
        client.add_flags([1], [b"\\Seen"])
        client.add_flags([2], [b"\\Deleted"])
    assert fetch(dovecot.mailbox())
    assert [bytes(raw.source) for raw in RawMail.objects.all()] == [MAIL]


@pytest.mark.parametrize("capability", ["", "IMAP4rev1 UIDPLUS", "IMAP4rev1"])
def test_mail_is_moved_where_the_operator_wants_it(fresh_db: str, dovecot: Dovecot, capability: str):
    _restart(dovecot, f"imap_capability = {capability}" if capability else "")
    dovecot.put(MAIL, numbered(2))
    assert fetch(dovecot.mailbox(after="move", move_to="Filed by the desk"))
    assert len(dovecot.flags("Filed by the desk")) == 2
    # Without UIDPLUS nothing is expunged: what others marked as deleted would go, too.
    assert dovecot.flags() == ([[b"\\Deleted"]] * 2 if capability == "IMAP4rev1" else [])
    assert fetch(dovecot.mailbox(after="move", move_to="Filed by the desk"))
    assert RawMail.objects.count() == 2


def test_mail_is_deleted_where_the_operator_wants_that(fresh_db: str, dovecot: Dovecot):
    dovecot.put(*[numbered(n) for n in range(45)])
    assert fetch(dovecot.mailbox(after="delete"))
    assert dovecot.flags() == []
    assert RawMail.objects.count() == Fetched.objects.count() == 45


def _restart(dovecot: Dovecot, more: str) -> None:
    dovecot.stop()
    dovecot.more = more
    dovecot.start()


@pytest.mark.parametrize("capability", ["", "imap_capability = IMAP4rev1 UIDPLUS"])
def test_mail_that_comes_later_is_fetched_without_a_new_connection(
    fresh_db: str, dovecot: Dovecot, settings: Any, monkeypatch: pytest.MonkeyPatch, capability: str
):
    """With IDLE where the server has it, else by asking again and again."""
    _restart(dovecot, capability)
    settings.IMAP_POLL_SECONDS = 0.05
    monkeypatch.setattr(imap, "LISTEN_SECONDS", 0.05)
    connects: list[int] = []
    real = imap._connect

    def counting(mailbox: Mailbox) -> Any:
        connects.append(1)
        return real(mailbox)

    monkeypatch.setattr(imap, "_connect", counting)
    stop = threading.Event()
    fetcher = threading.Thread(target=_until_stopped, args=(dovecot.mailbox(), stop))
    fetcher.start()
    try:
        for number in range(3):
            dovecot.put(numbered(number))
            _wait_for(number + 1)
    finally:
        stop.set()
        fetcher.join(20)
    assert not fetcher.is_alive()
    assert connects == [1]
    assert door().failing_since is None


def _until_stopped(mailbox: Mailbox, stop: threading.Event) -> None:
    try:
        keep_fetching(mailbox, now=clock.now, stop=stop)
    finally:
        connections.close_all()


def _wait_for(count: int) -> None:
    pause = threading.Event()
    for _look in range(1_000):
        if RawMail.objects.count() == count:
            return
        pause.wait(0.02)
    raise AssertionError("it never came")


def test_idle_is_renewed_and_a_mail_that_came_just_before_is_found(
    fresh_db: str, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(imap, "IDLE_SECONDS", 0)
    with imap.open_folder(dovecot.mailbox()) as folder:
        above = fetching.fetch_new(folder, above=0, now=clock.now)
        for number in range(3):
            folder.wait(threading.Event())
            dovecot.put(numbered(number))
            above = fetching.fetch_new(folder, above=above, now=clock.now)
            assert RawMail.objects.count() == number + 1
    assert RENEWED < 29 * 60


WORDS = {
    "password": "refuses the user desk or the password",
    "host": "The host name nowhere.invalid is unknown here",
    "folder": "The folder Archive/2026 of desk cannot be opened",
    "certificate": "The certificate of localhost is not valid here",
    "closed": "Nobody answers at 127.0.0.1",
    "no tls there": "TLS with localhost",
}


@pytest.mark.rule("D39")
@pytest.mark.parametrize("trouble", WORDS)
def test_what_is_wrong_is_said_in_words(fresh_db: str, dovecot: Dovecot, clock_at: datetime, trouble: str):
    wrong: dict[str, dict[str, Any]] = {
        "password": {"password": "wrong"},
        "host": {"host": "nowhere.invalid"},
        "folder": {"folder": "Archive/2026"},
        "certificate": {"host": "localhost", "port": dovecot.tls_port, "tls": "always"},
        "closed": {"port": 1},
        "no tls there": {"host": "localhost", "tls": "always"},
    }
    assert not fetch(dovecot.mailbox(**wrong[trouble]))
    assert WORDS[trouble] in door().last_error
    assert PASSWORD not in door().last_error
    assert (door().failing_since, door().worked_at) == (clock_at, None)


@pytest.mark.parametrize("tls", ["always", "starttls"])
def test_with_a_certificate_that_is_known_it_is_tls(
    fresh_db: str, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch, tls: str
):
    monkeypatch.setenv("SSL_CERT_FILE", str(dovecot.home / "cert.pem"))
    dovecot.put(MAIL)
    port = dovecot.tls_port if tls == "always" else dovecot.port
    assert fetch(dovecot.mailbox(host="localhost", port=port, tls=tls))
    assert RawMail.objects.count() == 1
    # For another name the same certificate says nothing.
    assert not fetch(dovecot.mailbox(port=port, tls=tls))


def test_without_starttls_no_password_is_sent(fresh_db: str, dovecot: Dovecot):
    _restart(dovecot, "ssl = no")
    assert not fetch(dovecot.mailbox(tls="starttls"))
    assert "offers no STARTTLS" in door().last_error
    assert "user=<desk>" not in (dovecot.home / "log").read_text()


def test_it_comes_back_by_itself_when_the_server_does(fresh_db: str, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(imap.Folder, "wait", lambda _folder, stop: stop.set())
    dovecot.put(MAIL)
    dovecot.stop()
    stop = Later(9, then=lambda: dovecot.start() if len(stop.waited) == 3 else None)
    assert keep_fetching(dovecot.mailbox(), now=clock.now, stop=stop)
    assert stop.waited == [5, 10, 20]
    assert RawMail.objects.count() == 1


def test_a_folder_that_is_deleted_and_made_again_is_read_on(fresh_db: str, dovecot: Dovecot):
    dovecot.put(MAIL, folder="Support")
    mailbox = dovecot.mailbox(folder="Support")
    with imap.open_folder(mailbox) as folder:
        above = fetching.fetch_new(folder, above=0, now=clock.now)
        with dovecot.client() as client:
            client.delete_folder("Support")
        with pytest.raises(imap.DoorShut), imap.open_folder(mailbox):
            pass
    assert not fetch(mailbox)
    assert "The folder Support" in door().last_error
    assert above == 1
    dovecot.put(numbered(2), folder="Support")
    assert fetch(mailbox)
    assert door().failing_since is None
    assert RawMail.objects.count() == 2


def test_messages_that_are_numbered_anew_are_known_by_their_content(fresh_db: str, dovecot: Dovecot):
    dovecot.put(MAIL, numbered(2), folder="Support")
    mailbox = dovecot.mailbox(folder="Support")
    assert fetch(mailbox)
    with dovecot.client() as client:
        client.delete_folder("Support")
    dovecot.put(b"Received: by another\r\n" + MAIL, numbered(2), numbered(3), folder="Support")
    assert fetch(mailbox)
    assert len(set(Fetched.objects.values_list("uid_validity", flat=True))) == 2
    file_mails()
    counted = RawMail.objects.exclude(outcome="duplicate").order_by("pk")
    assert [bytes(raw.source) for raw in counted] == [MAIL, numbered(2), numbered(3)]
    assert [raw.deliveries for raw in counted] == [2, 2, 1]


def test_two_fetchers_store_each_mail_once(fresh_db: str, dovecot: Dovecot):
    dovecot.put(*[numbered(n) for n in range(40)])
    assert at_once(*[lambda: fetch(dovecot.mailbox(after="delete"))] * 3) == [True] * 3
    assert RawMail.objects.exclude(outcome="duplicate").count() == Fetched.objects.count() == 40
    assert set(RawMail.objects.values_list("deliveries", flat=True)) == {1}
    assert dovecot.flags() == []


@pytest.mark.rule("D31")
def test_of_a_mail_that_is_too_large_the_header_is_stored(fresh_db: str, dovecot: Dovecot):
    big = MAIL + b"x" * 76 + b"\r\n" + (b"x" * 76 + b"\r\n") * (POLICY.mail_bytes_max // 78)
    dovecot.put(big, numbered(2))
    assert fetch(dovecot.mailbox())
    refused, other = RawMail.objects.order_by("pk")
    assert bytes(refused.source) == MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert refused.refused_bytes == len(big)
    assert (other.refused_bytes, bytes(other.source)) == (None, numbered(2))
    assert dovecot.flags() == [[b"\\Seen"]] * 2


def test_without_a_database_mail_stays_where_it_is(fresh_db: str, dovecot: Dovecot):
    dovecot.put(MAIL)
    connection.close()
    name = connections.settings["default"]["NAME"]
    connections.settings["default"]["NAME"] = connections["default"].settings_dict["NAME"] = "desk_no_such"
    try:
        assert not keep_fetching(dovecot.mailbox(), now=clock.now, stop=Later(2))
    finally:
        connection.close()
        connections.settings["default"]["NAME"] = connections["default"].settings_dict["NAME"] = name
    assert dovecot.flags() == [[]]
    assert fetch(dovecot.mailbox())
    assert RawMail.objects.count() == 1


def test_a_password_that_is_refused_is_not_tried_again_and_again():
    assert [wait_after(tries, patient=False) for tries in range(8)] == [5, 10, 20, 40, 80, 160, 300, 300]
    assert wait_after(0, patient=True) == 300


def test_the_command_takes_mail_until_it_is_told_to_stop(fresh_db: str, dovecot: Dovecot):
    url = f"imap://desk@127.0.0.1:{dovecot.port}/INBOX?tls=none"
    code = (
        "import django; django.setup(); from django.db import connections;"
        f"connections.settings['default']['NAME'] = {fresh_db!r};"
        f"connections['default'].settings_dict['NAME'] = {fresh_db!r};"
        "from django.core.management import call_command; call_command('fetch_mail')"
    )
    names = {"DJANGO_SETTINGS_MODULE": "tests.settings", "IMAP_URL": url, "IMAP_PASSWORD": PASSWORD}
    running = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env=os.environ | names,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == f"Mail is taken from imap:desk@127.0.0.1:{dovecot.port}/INBOX.\n"
    dovecot.put(MAIL)
    _wait_for(1)
    running.send_signal(signal.SIGTERM)
    _out, errors = running.communicate(timeout=30)
    assert (running.returncode, errors) == (0, "")


def test_a_server_that_says_nothing_is_given_up(fresh_db: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(imap, "TIMEOUT", SocketTimeout(connect=1, read=1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mailbox = Mailbox(
            host="127.0.0.1",
            port=silent.getsockname()[1],
            user="desk",
            password=PASSWORD,
            folder="INBOX",
            tls="none",
            after="seen",
        )
        assert not fetch(mailbox)
    assert "does not answer in time" in door().last_error
