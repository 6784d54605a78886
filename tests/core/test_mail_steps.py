"""Hostile mails by their size: what the reader does grows with it, counted in steps and never in seconds (D29)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields

import pytest

from supportdesk.mail.mime import decode_words
from supportdesk.mail.parse import ParsedMail, content_digest, parse
from supportdesk.mail.quotes import fold, unquoted

HEAD = b"From: olive@acme.example\r\nDate: Tue, 1 Dec 2026 10:00:00 -0500\r\nMessage-ID: <1@acme.example>\r\n"
TEXT, HTML = b"Content-Type: text/plain; charset=utf-8\r\n\r\n", b"Content-Type: text/html; charset=utf-8\r\n\r\n"
MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
REPORT = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"

SHAPES: dict[str, Callable[[int], bytes]] = {
    "boundaries": lambda n: MIXED + b"--b\r\n\r\nx\r\n" * n,
    "boundaries that are none": lambda n: MIXED + b"--b \t--bb\r\n" * n,
    "boundaries in boundaries": lambda n: b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(n // 10)
    ),
    "dashes without a name": lambda n: b"Content-Type: multipart/mixed\r\n\r\n" + b"--b\r\n\r\nx\r\n" * n,
    "parts without a blank line": lambda n: MIXED + b"--b\r\nX: y\r\n" * n,
    "lines that begin with On": lambda n: TEXT + b"On Monday Tess a@b.example\r\n" * n,
    "one line of On": lambda n: TEXT + b"On " * n,
    "lines that end with wrote": lambda n: TEXT + b"On a@b wrote:\r\n\r\n" * n,
    "quotes and answers in turn": lambda n: TEXT + b"> a\r\nb\r\n" * n,
    "marks of signatures": lambda n: TEXT + b"-- \r\na\r\n--\r\n" * n,
    "From lines of Outlook": lambda n: TEXT + b"From: a\r\nSent: b\r\n" * n,
    "tables in tables": lambda n: HTML + b"<table><tr><td>x" * n,
    "divisions in divisions": lambda n: HTML + b"<div>x" * n,
    "quotations in quotations": lambda n: HTML + b"<blockquote>x<br>" * n,
    "letters as entities": lambda n: HTML + b"&#x41;&lt;" * n,
    "preformatted lines": lambda n: HTML + b"<pre>" + b"x\n" * n,
    "encoded words": lambda n: b"Subject: " + b"=?utf-8?q?=C3=B6?= " * n + b"\r\n\r\n",
    "encoded words that never end": lambda n: b"Subject: " + b"=?utf-8?q?=C3=B6" * n + b"\r\n\r\n",
    "encoded words glued": lambda n: b"Subject: " + b"=?a?q?b?=x" * n + b"\r\n\r\n",
    "headers": lambda n: b"X: y\r\n" * n + b"\r\n",
    "lines of one header": lambda n: b"Subject: y" + b"\r\n y" * n + b"\r\n\r\n",
    "a header of nothing": lambda n: b"To: " + b" " * (10 * n) + b"\r\n\r\n",
    "recipients": lambda n: b"To: " + b"a@b.example, " * n + b"\r\n\r\n",
    "brackets": lambda n: b"Cc: " + b"(<" * n + b"\r\n\r\n",
    "comments of our server": lambda n: b"Authentication-Results: mx.example; " + b"(dmarc=fail; " * n + b"\r\n\r\n",
    "references": lambda n: b"References: " + b"<a@b> " * n + b"\r\n\r\n",
    "parameters": lambda n: b"Content-Type: text/plain" + b'; a="b"' * n + b"\r\n\r\n",
    "semicolons": lambda n: b"Content-Type: text/plain" + b"; ;" * n + b"\r\n\r\n",
    "open quotes": lambda n: b'Content-Type: text/plain; a="' + b'\\";' * n + b"\r\n\r\n",
    "sections of a name": lambda n: (
        b"Content-Disposition: attachment"
        + b"".join(b";\r\n filename*%d*=%%C3%%B6" % i for i in range(n))
        + b"\r\n\r\n"
    ),
    "flowed lines": lambda n: b"Content-Type: text/plain; format=flowed\r\n\r\n" + b"> a \r\n" * n,
    "files that begin and never end": lambda n: TEXT + b"begin 644 a\r\n#8V%T\r\n" * n,
    "signatures that never end": lambda n: TEXT + b"-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nx\r\n" * n,
    "reports": lambda n: REPORT + b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\n\r\n" * n,
    "a report in words": lambda n: (
        b"Return-Path: <>\r\n" + TEXT + b"Hi. This is the\n\n" + b"<a@b.example>:\nx\n\n" * n
    ),
    "base64 with junk": lambda n: b"Content-Transfer-Encoding: base64\r\n\r\n" + b"YQ=*\r\n" * n,
    "quoted-printable": lambda n: b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=C3=\r\n" * n,
    "line ends of every kind": lambda n: TEXT + b"a\rb\nc\r\r\n" * n,
    "carriage returns": lambda n: TEXT + b"\r" * (10 * n) + b"\n",
}


def read_whole(source: bytes) -> ParsedMail:
    """All that is done to the text of a mail on its way."""
    mail = parse(source, authserv_id="mx.example", own_domain="desk.example")
    content_digest(mail)
    fold(mail.text)
    unquoted(mail.text)
    return mail


def steps(work: Callable[[], object]) -> int:
    """The lines of Python that run, and the calls from them into C."""
    count = 0

    def line(_frame: object, event: str, _arg: object) -> object:
        nonlocal count
        count += event == "line"
        return line

    def call(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event == "c_call"

    sys.settrace(line)  # type: ignore[arg-type]
    sys.setprofile(call)
    try:
        work()
    finally:
        sys.settrace(None)
        sys.setprofile(None)
    return count


def size(mail: ParsedMail) -> int:
    """The characters and bytes of what was read."""
    total = 0
    for field in fields(mail):
        value = getattr(mail, field.name)
        for one in value if isinstance(value, tuple) else (value,):
            total += len(one.payload) + len(one.name) if hasattr(one, "payload") else len(str(one))
    return total


@pytest.mark.rule("D29")
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_twice_the_mail_is_twice_the_work(shape: Callable[[int], bytes]):
    small, large = HEAD + shape(300), HEAD + shape(600)
    assert steps(lambda: read_whole(large)) <= 2.2 * steps(lambda: read_whole(small)) + 300


@pytest.mark.rule("D29")
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_what_is_read_is_hardly_larger_than_what_came(shape: Callable[[int], bytes]):
    source = HEAD + shape(2_000)
    mail = read_whole(source)
    assert "unreadable" not in mail.problems
    assert size(mail) <= 4 * len(source) + 4_000


@pytest.mark.rule("D29")
def test_an_encoded_word_is_looked_for_within_bounds():
    """What no line of Python counts: the search for a word that never ends goes no further than a word may be long."""
    assert decode_words("=?utf-8?q?" * 5_000) == "=?utf-8?q?" * 5_000
    assert decode_words("=?utf-8?q?" + "a" * 2_000 + "?=").startswith("=?utf-8?q?")
