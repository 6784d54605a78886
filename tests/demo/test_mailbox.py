"""The demo's mailbox: reads whatever comes, answers like a mail program."""

from __future__ import annotations

import asyncio
import smtplib
import threading
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP
from hypothesis import given
from hypothesis import strategies as st

from supportdesk.demo import mailbox, writing
from supportdesk.demo.sink import Keep
from supportdesk.demo.threads import threads
from supportdesk.mail.parse import parse
from supportdesk.mail.quotes import unquoted

AT = datetime(2026, 11, 27, 15, 20, tzinfo=UTC)
NAME = "1795793000000000-0123abcd"

PROGRAMS: tuple[writing.Program, ...] = ("plain", "gmail", "outlook")

NASTY = [
    b"",
    b"\x00\xff\xfe",
    b"\r\n\r\n",
    b"Subject: =?utf-8?b?!!!?=\r\n\r\nx",
    b"Subject: =?no-such-charset?q?=E9?=\r\n\r\nx",
    b"Subject: \xe9\xff\r\nFrom: \xe9 <\xe9@\xff>\r\nTo: ,,,<>\r\n\r\n\xe9",
    b'From: "unclosed <a@b\r\nReply-To: <<<>>>, @, a@\r\n\r\n',
    b"Content-Type: text/plain; charset=no-such-charset\r\n\r\n\xe9",
    b"Content-Type: text/plain; charset=\x00\r\n\r\n\xe9",
    b"Content-Type: text/plain; charset*=utf-8''%\r\n\r\n\xe9",
    b"Content-Type: text/plain; charset=base64\r\n\r\nx",
    b"Content-Type: text/plain; charset=undefined\r\n\r\nx",
    b'Content-Type: text/plain; charset="utf-8\x00"\r\n\r\nx',
    b"Content-Transfer-Encoding: base64\r\n\r\n=!=!",
    b"Content-Transfer-Encoding: uuencode\r\n\r\nbegin 666 \r\n!!\r\n",
    b"Content-Type: multipart/mixed\r\n\r\nno boundary",
    b'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n\r\n',
    b"Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>",
    b"Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\n",
    b"Content-Type: ///\r\nContent-Disposition: attachment; filename*0*=x''%; filename*1=\r\n\r\nx",
    b"References: " + b"<a@b> " * 5000 + b"\r\nMessage-ID: <" + b"x" * 5000 + b"@b>\r\nFrom: a@b.example\r\n\r\n",
    b"Delivered-To: a@b.example\r\nFrom: a@b.example\r\nMessage-ID: <x\r\n y@z>\r\nSubject: a\r\n b\r\n\r\nx",
]


def answered(raw: bytes) -> None:
    mail = mailbox.parse(raw, name=NAME)
    assert mail.source is not None
    assert mailbox.for_frame(mail)
    assert mail.starts is not None
    assert all(file.size >= 0 for file in mail.files)
    assert threads([mail, mail])
    if mail.reply_to:
        for program in PROGRAMS:
            reply = writing.answer(mail, sender="me@here.example", text="Thank you.", at=AT, program=program)
            assert message_from_bytes(bytes(reply), policy=policy.default)["To"]
        assert bytes(writing.out_of_office(mail, sender="me@here.example", at=AT))
        assert bytes(writing.bounce(mail, recipient="me@here.example", at=AT))


@pytest.mark.parametrize("raw", NASTY, ids=range(len(NASTY)))
def test_no_mail_is_too_broken_to_be_shown(raw: bytes) -> None:
    answered(raw)


@given(st.binary(max_size=300), st.sampled_from(NASTY))
def test_no_bytes_are_too_broken_to_be_shown(noise: bytes, nasty: bytes) -> None:
    answered(noise)
    answered(nasty[:40] + noise)
    answered(b"From: a@b.example\r\nMessage-ID: " + noise + b"\r\nReferences: " + noise + b"\r\n\r\n" + noise)


def original(**headers: str) -> mailbox.Mail:
    message = EmailMessage()
    message["From"] = "Quillmark support <support@desk.example>"
    message["To"] = "Isla Renwick <isla@customer.example>"
    message["Subject"] = "Your ticket 104 826"
    message["Date"] = "Fri, 27 Nov 2026 15:00:00 +0000"
    message["Message-ID"] = "<two@desk.example>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("First line\n\nSecond line\n")
    message.add_alternative("<html><head><title>x</title></head><p>First line</p></html>", subtype="html")
    return mailbox.parse(b"Delivered-To: isla@customer.example\r\n" + bytes(message), name=NAME)


def test_a_mail_is_shown_in_words() -> None:
    mail = original(References="<one@desk.example>")

    assert mail.sender == "Quillmark support <support@desk.example>"
    assert mail.subject == "Your ticket 104 826"
    assert mail.recipients == ("isla@customer.example",)
    assert mail.text == "First line\n\nSecond line\n"
    assert mailbox.for_frame(mail).startswith('<html><head><base target="_blank"><title>')


def test_an_answer_goes_into_the_thread() -> None:
    mail = original(References="<one@desk.example>", Reply_To="reply+signed@desk.example")

    reply = writing.answer(mail, sender="isla@customer.example", text="It works.\nThank you.\n", at=AT)

    assert reply["From"] == "Isla Renwick <isla@customer.example>"
    assert reply["To"] == "reply+signed@desk.example"
    assert reply["Subject"] == "Re: Your ticket 104 826"
    assert reply["In-Reply-To"] == "<two@desk.example>"
    assert reply["References"] == "<one@desk.example> <two@desk.example>"
    assert reply["Date"] == "Fri, 27 Nov 2026 15:20:00 +0000"
    assert reply["Message-ID"].endswith("@customer.example>")
    assert reply.get_content() == (
        "It works.\nThank you.\n\n"
        "On Fri, 27 Nov 2026 15:00:00 +0000, Quillmark support <support@desk.example> wrote:\n"
        "> First line\n>\n> Second line\n"
    )


def test_an_answer_to_an_answer_says_re_once_and_goes_to_the_sender() -> None:
    mail = original()
    again = mailbox.parse(bytes(writing.answer(mail, sender="a@b.example", text="x", at=AT)), name=NAME)

    reply = writing.answer(again, sender="c@d.example", text="y", at=AT)

    assert reply["Subject"] == "Re: Your ticket 104 826"
    assert reply["To"] == "a@b.example"


def test_a_name_that_decodes_to_an_address_is_no_address() -> None:
    mail = mailbox.parse(b"From: =?utf-8?q?a=40evil=2Eexample=2C?= <b@good.example>\r\n\r\n", name=NAME)

    assert mail.reply_to == "b@good.example"


def test_mails_are_listed_newest_first_and_nothing_else_is_read(tmp_path: Path) -> None:
    names = [mailbox.store(tmp_path, b"Subject: %d\r\n\r\n" % n, ["a@b.example"], "") for n in range(3)]
    (tmp_path / ".1795793000000000-0123abcd").write_text("half of a mail")
    (tmp_path / "other.eml").write_text("Subject: other\n\n")

    assert [mail.subject for mail in mailbox.newest(tmp_path, at_most=2)] == ["2", "1"]
    assert mailbox.newest(tmp_path / "not-there", at_most=2) == []
    found = mailbox.read(tmp_path, names[0])
    assert found is not None
    assert found.recipients == ("a@b.example",)
    assert mailbox.read(tmp_path, "../" + names[0]) is None
    assert mailbox.read(tmp_path, NAME) is None


def test_an_envelope_cannot_add_headers(tmp_path: Path) -> None:
    name = mailbox.store(tmp_path, b"Subject: x\r\n\r\n", ["a@b.example\r\nSubject: y"], "s\nX: z")

    mail = mailbox.read(tmp_path, name)

    assert mail is not None
    assert mail.subject == "x"


def test_the_sink_keeps_what_it_accepts(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    handler = Keep(tmp_path)
    server = loop.run_until_complete(
        loop.create_server(lambda: SMTP(handler, decode_data=False, loop=loop), "127.0.0.1", 0)
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        host, port = server.sockets[0].getsockname()[:2]
        with smtplib.SMTP(host, port, timeout=10) as client:
            client.sendmail("s@desk.example", ["a@b.example", "c@d.example"], b"Subject: hello\r\n\r\n.dot\r\n")
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()

    (mail,) = mailbox.newest(tmp_path, at_most=9)
    assert mail.recipients == ("a@b.example", "c@d.example")
    assert mail.subject == "hello"
    assert mail.text == ".dot\n"


def picture_mail() -> mailbox.Mail:
    message = EmailMessage()
    message["From"], message["To"] = "support@desk.example", "Isla Renwick <isla@customer.example>"
    message["Subject"], message["Message-ID"] = "Your ticket 104 826", "<three@desk.example>"
    message.set_content("See the picture.")
    message.add_alternative('<html><body><p>See</p><img src="cid:p1@desk.example"></body></html>', subtype="html")
    message.get_payload()[1].add_related(PICTURE, "image", "png", cid="<p1@desk.example>", filename="p.png")  # type: ignore[index, union-attr]
    message.add_attachment(b"log", maintype="application", subtype="octet-stream", filename="quill.log")
    envelope = b"Return-Path: <bounces@desk.example>\r\nDelivered-To: isla@customer.example\r\n"
    return mailbox.parse(envelope + bytes(message), name=NAME)


PICTURE = b"\x89PNG\r\n\x1a\n"


def test_pictures_are_shown_in_place_and_the_other_files_beside() -> None:
    mail = picture_mail()

    assert "data:image/png;base64,iVBORw0KGgo=" in mailbox.for_frame(mail)
    assert [(file.name, file.body) for file in mail.files] == [("quill.log", b"log")]


@pytest.mark.parametrize(("program", "mark"), [("gmail", "gmail_quote"), ("outlook", "WordSection1")])
@pytest.mark.rule("D31")
def test_each_program_quotes_its_way_and_the_desk_folds_it(program: writing.Program, mark: str) -> None:
    log = writing.Attached(name="Protokoll Übersicht.txt", content_type="text/plain", body=b"1\r\n2\n")

    reply = writing.answer(
        picture_mail(), sender="isla@customer.example", text="It <works>.\n\nIsla", at=AT, program=program, files=[log]
    )

    assert mark in reply.get_body(("html",)).get_content()  # type: ignore[union-attr]
    read = parse(bytes(reply), authserv_id="x", own_domain="desk.example")
    assert unquoted(read.text).split() == ["It", "<works>.", "Isla"]
    kept = mailbox.parse(bytes(reply), name=NAME)
    assert [(file.name, file.body) for file in kept.files] == [("Protokoll Übersicht.txt", b"1\r\n2\n")]
    assert [file.body for file in kept.pictures] == [PICTURE]


@pytest.mark.rule("D28")
def test_what_machines_answer_is_known_as_that() -> None:
    away = writing.out_of_office(picture_mail(), sender="isla@customer.example", at=AT)
    bounce = writing.bounce(picture_mail(), recipient="isla@customer.example", at=AT)

    assert parse(bytes(away), authserv_id="x", own_domain="desk.example").automatic
    read = parse(bytes(bounce), authserv_id="x", own_domain="desk.example", mail_from="")
    assert (read.automatic, read.returned_id) == ("delivery report", "<three@desk.example>")
    assert away["To"] == bounce["To"] == "bounces@desk.example"


def test_conversations_are_each_persons_own_and_what_was_sent_lies_in_its_writers(tmp_path: Path) -> None:
    def came(number: int, to: str, references: str = "") -> None:
        head = f"Message-ID: <{number}@x>\r\nReferences: {references}\r\nSubject: {number}\r\n\r\n"
        mailbox.store(tmp_path, head.encode(), [to], "")

    came(1, "a@b.example")
    came(2, "c@d.example", "<1@x>")
    mailbox.store(tmp_path, b"Message-ID: <3@x>\r\nReferences: <1@x>\r\n\r\n", [], "", sent_by="a@b.example")
    came(4, "a@b.example", "<0@x> <3@x>")
    came(5, "a@b.example")

    found = threads(mailbox.newest(tmp_path, at_most=9))

    assert [(one.owner, [mail.message_id for mail in one.mails]) for one in found] == [
        ("a@b.example", ["<5@x>"]),
        ("a@b.example", ["<1@x>", "<3@x>", "<4@x>"]),
        ("c@d.example", ["<2@x>"]),
    ]
    assert found[1].opened.message_id == "<4@x>"
