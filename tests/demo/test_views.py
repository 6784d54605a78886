"""The mailbox's pages."""

from __future__ import annotations

import smtplib
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from supportdesk.demo import forms, mailbox, views
from supportdesk.demo.people import PEOPLE
from supportdesk.policy import POLICY

pytestmark = pytest.mark.django_db

RAW = (
    b"From: support@desk.example\r\nTo: isla@customer.example\r\nSubject: <b>Hello</b>\r\n"
    b"Message-ID: <1@desk.example>\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain\r\n\r\nSee http://testserver/r/1\r\n"
    b"--x\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script><p>See</p>\r\n--x--\r\n"
)


FILLED = {"sender": "isla@customer.example", "text": "It works.", "program": "gmail"}
envelopes: list[str | None] = []


@pytest.fixture
def name(settings, tmp_path: Path) -> str:
    settings.DEMO = True
    settings.DESK_HOME = tmp_path
    return mailbox.store(tmp_path / "mailbox", RAW, ["isla@customer.example"], "support@desk.example")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[EmailMessage]:
    mails: list[EmailMessage] = []
    envelopes.clear()

    def keep(message: EmailMessage, *, envelope: str | None = None) -> bool:
        mails.append(message)
        envelopes.append(envelope)
        return True

    monkeypatch.setattr(views, "_sent", keep)
    return mails


@pytest.mark.parametrize("path", ["", "new/", "{name}/", "{name}/html/"])
def test_outside_the_demo_there_is_nothing(client: Client, settings, name: str, path: str) -> None:
    url = f"/demo/mailbox/{path.format(name=name)}"
    assert client.get(url).status_code == 200

    settings.DEMO = False

    assert client.get(url).status_code == 404


def test_the_list_shows_mails_and_those_of_one_address(client: Client, name: str) -> None:
    assert f"/demo/mailbox/{name}/" in client.get("/demo/mailbox/").content.decode()
    assert name in client.get("/demo/mailbox/", {"to": "isla@customer.example"}).content.decode()
    assert name not in client.get("/demo/mailbox/", {"to": "other@customer.example"}).content.decode()


def test_the_page_escapes_what_a_mail_says_and_links_its_addresses(client: Client, name: str) -> None:
    page = client.get(f"/demo/mailbox/{name}/").content.decode()

    assert "&lt;b&gt;Hello&lt;/b&gt;" in page
    assert 'href="http://testserver/r/1"' in page
    assert "<script>alert" not in page


def test_the_html_part_is_shut_into_its_frame(client: Client, name: str) -> None:
    response = client.get(f"/demo/mailbox/{name}/html/")

    assert "sandbox" in response["Content-Security-Policy"]
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert "allow-scripts" not in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "SAMEORIGIN"


def test_an_answer_is_sent_once_and_leads_back(client: Client, name: str, sent: list[EmailMessage]) -> None:
    response = client.post(f"/demo/mailbox/{name}/", {**FILLED, "text": "It works."})

    assert response.status_code == 302
    (mail,) = sent
    assert mail["To"] == "support@desk.example"
    assert mail["In-Reply-To"] == "<1@desk.example>"


def test_only_who_got_the_mail_can_answer_it(client: Client, name: str, sent: list[EmailMessage]) -> None:
    response = client.post(f"/demo/mailbox/{name}/", {**FILLED, "sender": "other@customer.example"})

    assert response.status_code == 200
    assert sent == []


def test_a_new_mail_goes_to_the_desk(client: Client, settings, name: str, sent: list[EmailMessage]) -> None:
    settings.MAIL_FROM = "Support <support@desk.example>"

    response = client.post(
        "/demo/mailbox/new/", {**FILLED, "sender": PEOPLE[0][1], "other": "x@y.example", "subject": "Hello"}
    )

    assert response.status_code == 302
    assert sent[0]["To"] == "support@desk.example"


def test_a_gateway_that_is_down_loses_no_text(client: Client, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(smtplib, "SMTP", refuse)

    response = client.post(f"/demo/mailbox/{name}/", {**FILLED, "text": "My long text"})

    assert response.status_code == 200
    assert "My long text" in response.content.decode()
    assert "Nothing was lost" in response.content.decode()


def test_an_answer_takes_its_files_along_and_lies_in_the_conversation(
    client: Client, name: str, sent: list[EmailMessage]
) -> None:
    files = [SimpleUploadedFile("a.log", b"one"), SimpleUploadedFile("b.png", b"two", content_type="image/png")]

    client.post(f"/demo/mailbox/{name}/", {**FILLED, "files": files})

    (mail,) = sent
    assert [part.get_filename() for part in mail.iter_attachments()] == ["a.log", "b.png"]
    page = client.get(f"/demo/mailbox/{name}/")
    (answer,) = (one for one in page.context["thread"].mails if one.sent_by == "isla@customer.example")
    download = client.get(f"/demo/mailbox/{answer.name}/files/1/")
    assert b"".join(download) == b"two"
    assert download["Content-Disposition"] == 'attachment; filename="b.png"'
    assert download["Content-Type"] == "application/octet-stream"
    assert client.get(f"/demo/mailbox/{answer.name}/files/2/").status_code == 404


def test_files_that_are_too_large_are_refused_at_their_field(
    client: Client, name: str, sent: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "POLICY", replace(POLICY, mail_bytes_max=5))

    page = client.post(f"/demo/mailbox/{name}/", {**FILLED, "files": [SimpleUploadedFile("a.log", b"123456")]})

    assert "larger than 5" in page.content.decode()
    assert sent == []


@pytest.mark.rule("D28")
def test_machines_answer_by_one_press(client: Client, name: str, sent: list[EmailMessage]) -> None:
    for verb in ("away", "bounce"):
        assert client.post(f"/demo/mailbox/{name}/send/{verb}/").status_code == 302
    assert client.post(f"/demo/mailbox/{name}/send/other/").status_code == 404

    assert [mail["Auto-Submitted"] for mail in sent] == ["auto-replied", "auto-replied"]
    assert envelopes == [None, ""]
