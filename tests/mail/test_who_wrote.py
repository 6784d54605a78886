"""Who wrote a mail, where that can be read in two ways: then nobody did (D26). Pure."""

from __future__ import annotations

import pytest

from supportdesk.mail.mime import FIELD_CHARS_MAX
from supportdesk.mail.parse import ParsedMail, parse

OLIVE = "olive@acme.example"


def _read(sender: str | bytes, *, results: str = "", charset: str = "utf-8") -> ParsedMail:
    written = sender.encode() if isinstance(sender, str) else sender
    lines = [
        *([b"Authentication-Results: " + results.encode()] if results else []),
        b"From: " + written,
        b"Subject: Hello",
        b"Content-Type: text/plain; charset=" + charset.encode(),
    ]
    source = b"\r\n".join([*lines, b"", b"It works now."])
    return parse(source, authserv_id="mx.desk.example", own_domain="desk.example", mail_from="someone@mail.example")


@pytest.mark.rule("D26")
@pytest.mark.parametrize(
    "sender",
    [
        OLIVE,
        f"Olive <{OLIVE}>",
        f"{OLIVE} (Olive, at night)",
        f"(me) {OLIVE}",
        f'"b@other.example" <{OLIVE}>',
        f'"[Acme] Olive" <{OLIVE}>',
        f"{OLIVE},",
    ],
)
def test_one_sender_plainly_written(sender: str):
    mail = _read(sender)
    assert (mail.from_address, mail.problems) == (OLIVE, ())


@pytest.mark.rule("D26")
@pytest.mark.parametrize(
    "sender",
    [
        f'"{OLIVE}"',  # a name, and no address
        '"olive"@acme.example',
        "ol(x)ive@acme.example",
        "olive@(other.example)acme.example",
        "<olive@acme.example\u00a0>",  # another domain, of which nothing is published
        "<olive@acme.example\u3000>",
        "olive@acme.example\u2028",
        "olive@ac\x01me.example",
        "<olive@acme.example\x1f>",
        "olive@acme.example\x0b",
        "olive@ac\u212ae.example",  # the sign of Kelvin, a k in lower case
        "olive@\uff41cme.example",
        f"<{OLIVE}>\u00a0",
        f"Ol[ve Owner <{OLIVE}>",  # an address in brackets may go on to the end, or end nowhere
        f"Ol]ve Owner <{OLIVE}>",
        f"[Acme] Olive <{OLIVE}>",
    ],
)
def test_what_reads_as_two_senders_is_none(sender: str):
    mail = _read(sender)
    assert (mail.from_address, mail.problems) == ("", ("bad_sender",))


@pytest.mark.rule("D26")
@pytest.mark.parametrize(
    ("sender", "charset"),
    [
        (b"\xff <olive@+AGEAYwBtAGU-.example>", "utf-7"),
        (OLIVE.encode("cp500"), "cp500"),
        (b"\x1b$B\x1b(B ol\x1b(Jive\x1b(B@acme.example", "us-ascii"),
        (b"\x1b$B<evil@evil.example>,\x1b(B <olive@acme.example>", "us-ascii"),
    ],
)
def test_no_charset_makes_an_address(sender: bytes, charset: str):
    assert _read(sender, charset=charset).from_address == ""


@pytest.mark.rule("D26", "D29")
def test_a_charset_makes_a_name():
    mail = _read("Größe".encode("latin-1") + b" <olive@acme.example>", charset="iso-8859-1")
    assert (mail.from_name, mail.from_address) == ("Größe", OLIVE)


@pytest.mark.rule("D26")
def test_a_sender_that_is_not_read_to_its_end_is_not_believed():
    assert not _read(OLIVE + "," * FIELD_CHARS_MAX + "b@other.example").sound


@pytest.mark.rule("D26")
@pytest.mark.parametrize(
    "results",
    [
        "mx.desk.example; dmarc=fail header.from=acme.example",
        "mx.desk.example 1; dmarc/1 = (why) fail",
        '"mx.desk.example"; dmarc=fail',
        # Whoever sends chooses the envelope's sender: it must hide nothing.
        'mx.desk.example; spf=fail smtp.mailfrom="a("@evil.example; dmarc=fail header.from=acme.example',
        "mx.desk.example; spf=fail smtp.mailfrom=a(@evil.example; dmarc=fail",
        'mx.desk.example; spf=fail (of "a (b"@evil.example) smtp.mailfrom=x; dmarc=fail; dkim=none header.i=")"',
        "mx.desk.example; spf=fail smtp.mailfrom=a(@evil.example; dmarc=fail; dkim=none header.i=@a)",
        "mx.desk.example; spf=fail (evil.example: a\\) smtp.mailfrom=a; dmarc=fail",
    ],
)
def test_what_our_server_marked_as_failing(results: str):
    assert _read(OLIVE, results=results).dmarc_failed


@pytest.mark.rule("D26")
@pytest.mark.parametrize("results", ["mx.desk.example; dmarc=pass (x; dmarc=fail)", "mx.other.example; dmarc=fail"])
def test_what_it_did_not_mark(results: str):
    assert not _read(OLIVE, results=results).dmarc_failed
