"""What refusals and delivery reports say of an address (D28). Pure."""

from __future__ import annotations

import pytest

from supportdesk.mail.bounces import REASON_CHARS_MAX, blames_address, failure_in, reason_of, status_in
from supportdesk.mail.parse import ParsedMail
from supportdesk.mail.reports import Bounce

pytestmark = pytest.mark.rule("D28")
OLIVE = ("olive@acme.example",)


@pytest.mark.parametrize(
    ("words", "at_fault"),
    [
        ("550 5.1.1 User unknown", True),
        ("550-5.1.1 The email account that you tried to reach does not exist. Please try", True),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", True),
        ("552 5.2.2 Over quota", True),
        ("550 5.2.1 The email account that you tried to reach is disabled", True),
        ("550 5.4.1 Recipient address rejected: Access denied", True),
        ("450 4.2.2 Mailbox full", True),
        ("550 No such user here", True),
        ("550 5.0.0 User unknown", True),
        ("550 5.7.1 Relaying denied", False),
        ("550 5.7.26 This mail is unauthenticated", False),
        ("554 5.7.1 Service unavailable; Client host blocked using zen.example", False),
        ("550 5.1.8 Sender address rejected: Domain not found", False),
        ("550 5.1.7 Invalid address of the sender", False),
        ("552 5.3.4 Message size exceeds fixed limit", False),
        ("552 5.2.3 Message too long", False),
        ("550 5.6.1 Conversion is needed", False),
        ("501 5.5.4 Syntax error", False),
        ("554 5.4.6 Too many hops", False),
        ("550 relay not permitted", False),
        ("550 5.0.0 Rejected as spam", False),
        ("554 Refused by local policy. See https://mx.example", False),
        ("550 Sender verify failed", False),
    ],
)
def test_whose_fault_it_is(words: str, at_fault: bool):
    assert blames_address(status_in(words), words) is at_fault
    if status_in(words) in ("", "5.0.0"):
        assert not blames_address(status_in(words), words, otherwise=False), "nothing is known of the address"


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        ("550 5.1.1 User unknown", "5.1.1", "5.1.1 User unknown"),
        (
            "550-5.1.1 The account does not exist. Please try\n550 5.1.1 double-checking",
            "",
            "5.1.1 The account does not exist",
        ),
        ("550 5.1.1\n    User unknown (in reply to RCPT TO command)", "5.1.1", "5.1.1 User unknown"),
        ("452 4.2.2 Mailbox full; see https://help.example/quota?a=1", "", "4.2.2 Mailbox full"),
        ("550 No such user", "", "No such user"),
        ("550 5.1.1 mx.example.com refuses olive. Twice.", "", "5.1.1 mx.example.com refuses olive"),
        ("550 5.1.1 <olive@acme.example>: User unknown", "", "5.1.1 <olive@acme.example>: User unknown"),
        ("550 5.1.1 <User unknown", "", "5.1.1 User unknown"),
        ("smtp; 550 5.2.1 Disabled", "5.2.1", "5.2.1 Disabled"),
        ("", "5.1.1", "5.1.1"),
        ("", "", ""),
        ("550 \u202egnp.exe\r\nSubject: x\x00", "", "gnp.exe Subject: x"),
    ],
)
def test_the_reason_in_a_line(said: str, status: str, reason: str):
    assert reason_of(said, status=status) == reason


def test_a_long_reason_is_cut():
    assert len(reason_of("550 5.1.1 " + "no " * 10_000)) <= REASON_CHARS_MAX


def _mail(**given: object) -> ParsedMail:
    return ParsedMail(automatic="delivery report", **given)  # type: ignore[arg-type]


def test_by_a_message_id_the_recipient_must_be_named():
    ours, theirs = Bounce(address="Olive@Acme.example", status="5.1.1"), Bounce(address="mia@acme.example")
    assert failure_in(_mail(bounces=(theirs, ours)), to=OLIVE, by_envelope=False) == ours
    assert failure_in(_mail(bounces=(theirs,)), to=OLIVE, by_envelope=False) is None
    assert failure_in(_mail(text="550 5.1.1 User unknown"), to=OLIVE, by_envelope=False) is None


def test_by_the_envelope_the_report_is_about_that_mail_whatever_it_names():
    forwarded = Bounce(address="olive@home.example", status="5.2.2")
    assert failure_in(_mail(bounces=(forwarded,)), to=OLIVE, by_envelope=True) == forwarded
    assert failure_in(_mail(bounces=(forwarded,), delayed=OLIVE), to=OLIVE, by_envelope=True) is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"delayed": OLIVE}, None),
        ({"text": "Votre message n'a pas été remis.\n\n  550 5.1.1 Utilisateur inconnu"}, "5.1.1"),
        ({"text": "Ihre Nachricht kam nicht an: 554 unbekannt"}, ""),
        ({"text": "Ihre Nachricht kam nicht an."}, None),
        ({"text": "Warning: 450 4.2.0 greylisted, will retry for 5 days"}, None),
        ({"text": "It was not yet delivered; the server said 550 busy. We will keep trying."}, None),
        ({"subject": "Warning: message delayed 24 hours", "text": "550 5.1.1"}, None),
    ],
)
def test_a_dialect_that_nobody_has_read_before(given: dict[str, object], says: str | None):
    found = failure_in(_mail(**given), to=OLIVE, by_envelope=True)
    assert (found and found.status) == says


def test_what_is_no_report_says_nothing():
    for automatic in ("auto-submitted", "empty return path", "absence", "read receipt", "delivery delayed"):
        mail = ParsedMail(automatic=automatic, text="550 5.1.1 is my number at the fair")
        assert failure_in(mail, to=OLIVE, by_envelope=True) is None
