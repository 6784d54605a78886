"""Files that go out with a mail: in place or attached, the same bytes on each try, one missing holds nobody up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage, MIMEPart
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import FileOut, deliver_due, queue_mail
from tests.mail.smtp import MailServer, mail_server

pytestmark = pytest.mark.rule("D30", "D31")
MINUTE = timedelta(minutes=1)
PNG = b"\x89PNG\r\n\x1a\n" + b"\x01" * 90


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with mail_server(settings) as running:
        yield running


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.FILES_DIR = tmp_path
    (tmp_path / "shot").write_bytes(PNG)
    (tmp_path / "log").write_bytes(b"zone 17: stale\r\n" * 3)
    return tmp_path


SHOT = FileOut(stored="shot", name="the shot.png", size=len(PNG), content_type="image/png", content_id="abc@d.example")
LOG = FileOut(stored="log", name="журнал.log", size=48)


def queue(at: datetime, key: str = "one", **given: Any) -> OutgoingMail:
    values: dict[str, Any] = {"html": '<p><img src="cid:abc@d.example"></p>', "files": [SHOT, LOG]} | given
    return queue_mail(
        to_address="olive@acme.example",
        to_name="Olive",
        subject="Hello",
        text="Hello",
        at=at,
        kind="x",
        key=key,
        **values,
    )


def shape(part: MIMEPart) -> Any:
    """The types of a mail's parts, one in the other."""
    if part.is_multipart():
        return [part.get_content_subtype(), *(shape(one) for one in part.iter_parts())]
    return part.get_content_type()


def got(server: MailServer, place: int = -1) -> EmailMessage:
    read = message_from_bytes(server.got[place].as_bytes(), policy=default)
    assert isinstance(read, EmailMessage)
    return read


def test_pictures_stand_in_the_html_and_files_are_attached(db: None, server: MailServer, at: datetime):
    queue(at)
    assert deliver_due(now=lambda: at) == 1
    mail = got(server)
    alternatives = ["alternative", "text/plain", ["related", "text/html", "image/png"]]
    assert shape(mail) == ["mixed", alternatives, "application/octet-stream"]
    [*_rest, picture, log] = [part for part in mail.walk() if not part.is_multipart()]
    assert (picture["Content-ID"], picture.get_content_disposition()) == ("<abc@d.example>", "inline")
    assert picture.get_content() == PNG
    assert (log.get_filename(), log.get_content_disposition()) == ("журнал.log", "attachment")
    assert log.get_content() == b"zone 17: stale\r\n" * 3


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"files": [LOG]}, ["mixed", ["alternative", "text/plain", "text/html"], "application/octet-stream"]),
        ({"files": [SHOT]}, ["alternative", "text/plain", ["related", "text/html", "image/png"]]),
        ({"files": []}, ["alternative", "text/plain", "text/html"]),
        ({"html": "", "files": [SHOT, LOG]}, ["mixed", "text/plain", "image/png", "application/octet-stream"]),
    ],
)
def test_a_mail_has_only_the_parts_it_needs(db: None, server: MailServer, at: datetime, given: Any, parts: list[Any]):
    queue(at, **given)
    deliver_due(now=lambda: at)
    assert shape(got(server)) == parts


def test_each_try_sends_the_same_bytes(db: None, server: MailServer, at: datetime):
    queue(at)
    server.drops_at = "DATA"
    assert deliver_due(now=lambda: at) == 0
    server.drops_at = ""
    assert deliver_due(now=lambda: at + MINUTE) == 1
    assert server.got[0].as_bytes() == server.got[1].as_bytes()


@pytest.mark.parametrize("wrong", ["gone", "cut"])
def test_a_file_that_is_not_there_is_said_and_holds_nobody_up(
    db: None, server: MailServer, at: datetime, folder: Path, wrong: str
):
    bad = queue(at)
    queue(at, "two", files=[], html="")
    (folder / "log").unlink()
    if wrong == "cut":
        (folder / "log").write_bytes(b"zone")
    assert deliver_due(now=lambda: at) == 1
    bad.refresh_from_db()
    assert "журнал.log" in bad.last_error
    assert str(folder) not in bad.last_error
    assert (bad.state, bad.next_try_at) == ("trying", at + MINUTE)
    (folder / "log").write_bytes(b"zone 17: stale\r\n" * 3)
    assert deliver_due(now=lambda: at + MINUTE) == 1


def test_the_same_cause_queues_its_files_once(db: None, at: datetime):
    first = queue(at)
    assert queue(at).pk == first.pk
    assert first.files.count() == 2
