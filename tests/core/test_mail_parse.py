"""Mails as they come: broken, hostile, odd. Each is read, none stops the next one (D29)."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supportdesk.mail.mime import DEPTH_MAX, PARTS_MAX, decode_words
from supportdesk.mail.parse import ParsedMail, content_digest
from supportdesk.mail.parse import parse as parse_mail
from supportdesk.mail.quotes import fold

HEAD = (
    b"From: Olive Owner <olive@acme.example>\r\nDate: Tue, 1 Dec 2026 10:00:00 -0500\r\n"
    b"Message-ID: <1@acme.example>\r\n"
)


def parse(source: bytes, mail_from: str | None = None) -> ParsedMail:
    return parse_mail(source, authserv_id="mx.desk.example", own_domain="support.desk.example", mail_from=mail_from)


def mail(head: bytes = b"", body: bytes = b"Hello.\r\n") -> ParsedMail:
    return parse(HEAD + head + b"\r\n" + body)


def steps(work: Callable[[], object]) -> int:
    """How many lines of Python ``work`` runs: a measure that no busy machine changes."""
    count = 0

    def trace(frame: object, event: str, arg: object) -> object:
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        work()
    finally:
        sys.settrace(None)
    return count


def test_an_ordinary_mail_is_read_whole():
    message = EmailMessage()
    message["From"] = "Ölive Owner <olive@acme.example>"
    message["To"] = "Support <reply+1.2.x@support.desk.example>, other@x.example"
    message["Cc"] = "boss@acme.example"
    message["Subject"] = "Größe: " + "ä" * 60
    message["Date"] = "Tue, 1 Dec 2026 10:00:00 -0500"
    message["Message-ID"] = "<2@acme.example>"
    message["In-Reply-To"] = "<1@support.desk.example>"
    message["References"] = "<0@support.desk.example> <1@support.desk.example>"
    message.set_content("It stops.\n")
    message.add_alternative("<p>It <b>stops</b>.</p>", subtype="html")
    message.add_attachment(b"log", maintype="text", subtype="x-log", filename="Übersicht.log")
    parsed = parse(message.as_bytes())
    assert (parsed.from_address, parsed.from_name, parsed.from_count) == ("olive@acme.example", "Ölive Owner", 1)
    assert parsed.to == ("reply+1.2.x@support.desk.example", "other@x.example")
    assert parsed.cc == ("boss@acme.example",)
    assert parsed.subject == "Größe: " + "ä" * 60
    assert parsed.date == datetime(2026, 12, 1, 15, tzinfo=UTC)
    assert parsed.in_reply_to == ("<1@support.desk.example>",)
    assert parsed.references == ("<0@support.desk.example>", "<1@support.desk.example>")
    assert (parsed.text, parsed.html) == ("It stops.\n", "<p>It <b>stops</b>.</p>\n")
    assert [(file.name, file.payload) for file in parsed.attachments] == [("Übersicht.log", b"log")]
    assert (parsed.automatic, parsed.problems, parsed.sound) == ("", (), True)


@pytest.mark.rule("D26")
@pytest.mark.parametrize(
    ("field", "address", "count"),
    [
        (b"From: olive@acme.example", "olive@acme.example", 1),
        (b"From: <olive@acme.example> (Olive)", "olive@acme.example", 1),
        (b'From: "olive@acme.example" <evil@x.example>', "evil@x.example", 1),
        (b"From: olive@acme.example <evil@x.example>", "evil@x.example", 1),
        (b"From: olive@acme.example, evil@x.example", "", 2),
        (b"From: olive@acme.example\r\nFrom: evil@x.example", "", 2),
        (b"From: <olive@acme.example> <evil@x.example>", "", 1),
        (b"From: =?utf-8?q?olive=40acme=2Eexample?=", "", 1),
        (b'From: "x <olive@acme.example>', "", 1),
        (b"From: <olive@acme.example", "", 1),
        (b'From: "a b"@acme.example', "", 1),
        (b"From: olive@acme.example\x00evil@x.example", "", 1),
        (b"From: <@evil.example:olive@acme.example>", "", 1),
        (b"From: Team: olive@acme.example;", "", 1),
        (b"From: " + b"(" * 5000 + b"olive@acme.example", "", 1),
        (b"From:", "", 0),
        (b"X-From: olive@acme.example", "", 0),
    ],
)
def test_only_one_plain_sender_is_a_sender(field: bytes, address: str, count: int):
    parsed = parse(field + b"\r\n\r\nHello.")
    assert (parsed.from_address, parsed.from_count) == (address, count)


@pytest.mark.rule("D29")
@pytest.mark.parametrize(
    ("head", "subject"),
    [
        (b"Subject: one\r\n two\r\n\tthree\r\n", "one two three"),
        (b"Subject: =?utf-8?q?one=0D=0ABcc=3A_x=40y?=\r\n", "one Bcc: x@y"),
        (b"Subject: =?utf-8?b?w7Y=?= =?utf-8?b?w58=?=\r\n", "öß"),
        (b"Subject: =?utf-8?q?=C3?=\r\n =?utf-8?q?=B6?=\r\n", "ö"),
        (b"Subject: =?x-foo?q?hi?=\r\n", "hi"),
        (b"Subject: =?utf-8?b?!?=\r\n", ""),
        (b"Subject: Gr\xf6\xdfe\r\n", "Größe"),
        (b"Subject: Gr\xc3\xb6\xc3\x9fe\r\n", "Größe"),
        (b"Subject: a\x00b\r\n", "ab"),
        (b"Subject: exe.\xe2\x80\xaegpj\r\n", "exe. gpj"),
        (b"Subject: " + b"x" * 401 + b"\r\n", "x" * 399 + "…"),
        (b"", ""),
    ],
)
def test_a_subject_is_one_line_of_text(head: bytes, subject: str):
    assert mail(head).subject == subject


@pytest.mark.rule("D29")
@pytest.mark.parametrize(
    ("head", "body", "text", "problems"),
    [
        (b"Content-Type: text/plain; charset=x-foo\r\n", b"Gr\xc3\xb6\xc3\x9fe", "Größe", ("unknown_charset",)),
        (b"Content-Type: text/plain; charset=x-foo\r\n", b"Gr\xf6\xdfe", "Größe", ("unknown_charset",)),
        (b"Content-Type: text/plain; charset=x-foo\r\n", b"a\x81", "a\ufffd", ("lost_letters", "unknown_charset")),
        (b"Content-Type: text/plain; charset=idna\r\n", b"a", "a", ("unknown_charset",)),
        (b'Content-Type: text/plain; charset="a\x00b"\r\n', b"a", "a", ("control_in_header", "unknown_charset")),
        (b"Content-Type: text/plain; charset=us-ascii\r\n", b"Gr\xf6\xdfe", "Größe", ()),
        (b"Content-Type: text/plain; charset=iso-8859-15\r\n", b"\xa4", "€", ()),
        (b"", b"a\x00b\r\nc\rd", "ab\nc\nd", ()),
        (b"Content-Type: text/plain; charset=utf-16-le\r\n", b"\x00\xd8a\x00", "\ufffda", ()),
        (b"Content-Type: nonsense\r\n", b"a", "a", ()),
        (b"Content-Transfer-Encoding: base64\r\n", base64.b64encode(b"Hello.")[:-1], "Hello", ()),
        (b"Content-Transfer-Encoding: base64\r\n", b"!!\r\nA", "", ()),
        (b"Content-Transfer-Encoding: quoted-printable\r\n", b"=C3=B6=\r\n=ZZ=", "ö=ZZ", ()),
        (b"Content-Type: text/html\r\n", b"<p>Hello</p><p>you</p>", "Hello\n\nyou", ()),
        (b"Content-Type: text/html\r\n", b'<?xml version="1.0" encoding="utf-8"?><p>Hi', "Hi", ()),
        (b"Content-Type: multipart/mixed\r\n", b"a", "a", ("broken",)),
        (b"Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\n\r\na\r\n", "a\n", ("broken",)),
        (b"Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\n\r\na\r\n--b--\r\nrest", "a", ()),
        (b"Content-Type: multipart/mixed; boundary=b\r\n", b"--b--", "--b--", ()),
        (b"no header at all\r\n", b"a", "no header at all\n\na", ()),
    ],
)
def test_strange_bytes_become_text(head: bytes, body: bytes, text: str, problems: tuple[str, ...]):
    parsed = mail(head, body)
    assert parsed.problems == problems
    assert parsed.text == text
    assert parsed.sound is (problems in ((), ("unknown_charset",)))


@pytest.mark.rule("D31")
def test_html_counts_where_there_is_no_plain_text_beside_it():
    def body(first: bytes) -> bytes:
        return (
            b"--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n"
            b"--a\r\n\r\n" + first + b"\r\n--a\r\nContent-Type: text/html\r\n\r\n<b>rich</b>\r\n--a--\r\n"
            b"--m\r\n\r\nfooter\r\n--m--\r\n"
        )

    head = b"Content-Type: multipart/mixed; boundary=m\r\n"
    assert mail(head, body(b"plain")).text == "plain\nfooter"
    assert mail(head, body(b" ")).text == "rich\nfooter"
    assert mail(head, body(b"plain")).html == "<b>rich</b>"


@pytest.mark.rule("D31")
@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'attachment; filename="\xdcbersicht.pdf"', "Übersicht.pdf"),
        (b"attachment; filename*=utf-8''%C3%9Cbersicht.pdf", "Übersicht.pdf"),
        (b"attachment; filename*0*=utf-8''%C3%9C; filename*1*=ber.pdf", "Über.pdf"),
        (b'attachment; filename="=?utf-8?q?=C3=9Cber=2Epdf?="', "Über.pdf"),
        (b'attachment; filename="../../etc/passwd"', "passwd"),
        (b'attachment; filename="C:\\\\temp\\\\a.txt"', "a.txt"),
        (b'attachment; filename="a\r\n b.txt"', "a b.txt"),
        (b"attachment; filename*=x-foo''%DC.pdf", "Ü.pdf"),
        (b"attachment; filename*x=1", "attachment.txt"),
        (b"attachment; filename=/", "attachment.txt"),
        (b"attachment", "attachment.txt"),
    ],
)
def test_a_file_has_a_name_without_a_path(disposition: bytes, name: str):
    parsed = mail(b"Content-Disposition: " + disposition + b"\r\n", b"payload")
    assert [(file.name, file.payload) for file in parsed.attachments] == [(name, b"payload")]
    assert parsed.text == ""


@pytest.mark.rule("D29")
def test_too_deep_and_too_many_are_said_not_followed():
    deep, many = b"", b""
    for level in range(500):
        deep += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
    parsed = parse(HEAD + deep + b"\r\nhidden")
    assert "too_deep" in parsed.problems
    assert not parsed.sound
    many = b"--b\r\n\r\nx\r\n" * 10_000 + b"--b--"
    parsed = mail(b"Content-Type: multipart/mixed; boundary=b\r\n", many)
    assert parsed.problems == ("too_many_parts",)
    assert len(parsed.text.split()) < PARTS_MAX
    nested = DEPTH_MAX - 1
    fine = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(nested))
    closing = b"".join(b"\r\n--b%d--" % n for n in reversed(range(nested)))
    assert parse(HEAD + fine + b"\r\nseen" + closing).text == "seen"


@pytest.mark.rule("D28")
@pytest.mark.parametrize(
    ("head", "mail_from", "reason"),
    [
        (b"Auto-Submitted: auto-replied; owner=x\r\n", None, "auto-submitted"),
        (b"Auto-Submitted: no\r\n", None, ""),
        (b"Precedence: BULK\r\n", None, "precedence"),
        (b"Precedence: first-class\r\n", None, ""),
        (b"List-Id: <all.acme.example>\r\n", None, "mailing list"),
        (b"Return-Path: <>\r\n", None, "empty return path"),
        (b"Return-Path: <>\r\n", "olive@acme.example", ""),
        (b"", "", "empty return path"),
        (b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n", None, "delivery report"),
        (b"X-Autoreply: yes\r\n", None, "autoreply"),
        (b"", None, ""),
    ],
)
def test_automatic_mail_is_known(head: bytes, mail_from: str | None, reason: str):
    assert parse(HEAD + head + b"\r\nOut of office.", mail_from).automatic == reason


@pytest.mark.rule("D28")
def test_our_own_mail_coming_back_is_known():
    own = b"From: support@support.desk.example\r\nMessage-ID: <x@Support.desk.example>\r\n\r\nHello."
    assert parse(own).automatic == "own mail"


@pytest.mark.rule("D28")
def test_a_bounce_tells_who_was_not_reached_and_by_which_mail():
    report = (
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        b"--b\r\n\r\nSorry.\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        b"Final-Recipient: rfc822; olive@acme.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        b"Final-Recipient: rfc822; late@acme.example\r\nAction: delayed\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <9@support.desk.example>\r\nSubject: x\r\n\r\nHi\r\n"
        b"--b--\r\n"
    )
    parsed = parse(HEAD + report, "")
    assert (parsed.bounced, parsed.returned_id) == (("olive@acme.example",), "<9@support.desk.example>")
    assert parsed.automatic == "delivery report"


@pytest.mark.rule("D26")
@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ([b"mx.desk.example; dmarc=fail (p=reject) header.from=acme.example"], True),
        ([b"MX.desk.example 1; spf=pass; DMARC = Fail"], True),
        ([b"mx.desk.example; spf=pass", b"mx.desk.example; dmarc=fail"], True),
        ([b"mx.desk.example; dmarc=fail", b"mx.desk.example; dmarc=pass"], True),
        ([b"mx.desk.example; dmarc=pass (dmarc=fail)"], False),
        ([b"mx.evil.example; dmarc=fail"], False),
        ([b"mx.desk.example; spf=fail; x-dmarc=fail"], False),
        ([b""], False),
        ([], False),
    ],
)
def test_only_our_own_server_says_that_dmarc_failed(fields: list[bytes], failed: bool):
    head = b"".join(b"Authentication-Results: " + field + b"\r\n" for field in fields)
    assert mail(head).dmarc_failed is failed


@pytest.mark.rule("D29")
def test_the_digest_is_that_of_the_content_not_of_the_way():
    plain = HEAD + b"Subject: x\r\n"
    text = "Größe\r\n".encode()
    as_8bit = plain + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text
    as_base64 = (
        b"Received: by mx\r\nX-Spam: no\r\n" + plain + b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(text)
    )
    first = content_digest(parse(as_8bit))
    assert content_digest(parse(as_base64)) == first
    assert content_digest(parse(as_8bit.replace(b"<1@", b"<2@"))) == first
    assert content_digest(parse(as_8bit.replace(b"\r\n", b"\n"))) == first
    for other in (as_8bit + b"more", as_8bit.replace(b"10:00:00", b"10:00:01"), as_8bit.replace(b"olive@", b"o@")):
        assert content_digest(parse(other)) != first
    undated = as_8bit.replace(b"Date:", b"X-Date:")
    assert content_digest(parse(undated)) != content_digest(parse(undated.replace(b"<1@", b"<2@")))


PIECES = st.sampled_from(
    [
        *(
            b"\r\n",
            b"\n",
            b"\r\n\r\n",
            b" ",
            b"\x00",
            b"--b",
            b"--b--",
            b"<",
            b">",
            b"(",
            b'"',
            b";",
            b"=",
            b"?=",
            b"%",
        ),
        *(
            b"From: ",
            b"Subject: ",
            b"Content-Type: multipart/mixed; boundary=b",
            b"Content-Type: text/html",
            b"=?utf-8?b?",
        ),
        *(b"Content-Transfer-Encoding: base64", b"filename*0*=", b"message/delivery-status", b"multipart/report; "),
        *(
            b"Date: Tue, 99 Dec 99999999",
            b"\xff\xfe",
            b"\xed\xa0\x80",
            b"charset=utf-16",
            b"a@b.example",
            b"Action: failed",
        ),
    ]
)


@pytest.mark.rule("D29")
@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=40).map(b"".join)))
def test_any_bytes_are_read_and_can_be_stored(source: bytes):
    parsed = parse(source)
    assert "unreadable" not in parsed.problems
    kept = [
        parsed.text,
        parsed.html,
        parsed.subject,
        parsed.from_name,
        *parsed.to,
        *(a.name for a in parsed.attachments),
    ]
    assert all("\x00" not in text and text.encode() is not None for text in kept)
    assert len(content_digest(parsed)) == 64


@pytest.mark.rule("D29")
def test_what_the_reader_stumbles_over_is_kept_as_text(monkeypatch: pytest.MonkeyPatch):
    def stumble(_source: bytes) -> None:
        raise RecursionError

    monkeypatch.setattr("supportdesk.mail.parse.take_apart", stumble)
    parsed = mail(body=b"Gr\xfc\xdfe\x00")
    assert parsed.problems == ("unreadable",)
    assert parsed.text.endswith("Grüße")
    assert not parsed.sound


@pytest.mark.rule("D29")
@pytest.mark.parametrize(
    "grow",
    [
        lambda n: HEAD + b"\r\n" + b" " * (40 * n),
        lambda n: HEAD + b"\r\n" + b"\n" * (10 * n),
        lambda n: HEAD + b"X: y\r\n" * n + b"\r\n",
        lambda n: HEAD + b"Cc: " + b"(" * n + b"\r\n\r\n",
        lambda n: HEAD + b"Cc: " + b"a@b.example, " * (n // 10) + b"\r\n\r\n",
        lambda n: HEAD + b"Subject: " + b"=?a?q?b" * n + b"\r\n\r\n",
        lambda n: HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * n,
        lambda n: HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b \t" * n,
        lambda n: HEAD + b"References: " + b"<a@b> " * n + b"\r\n\r\n",
        lambda n: HEAD + b"Content-Type: text/plain" + b';a="b"' * n + b"\r\n\r\n",
    ],
)
def test_work_grows_with_the_length_of_a_mail_not_with_its_square(grow: Callable[[int], bytes]):
    small, large = grow(500), grow(1000)
    assert steps(lambda: parse(large)) <= 2.2 * steps(lambda: parse(small)) + 200


@pytest.mark.rule("D29")
def test_two_megabytes_of_spaces_are_read():
    parsed = mail(body=b" " * 2_000_000)
    assert len(fold(parsed.text)) <= 1
    assert parsed.sound


def test_encoded_words_that_are_none_stay():
    assert decode_words("=?utf-8?q?a b") == "=?utf-8?q?a b"
    assert decode_words("a =?utf-8?q?=C3=B6?= b") == "a ö b"
