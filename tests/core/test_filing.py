"""Who may file what by mail: the table of cases (D26, D28)."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest

from incidents import filing
from incidents.filing import Decision, Evidence, decide

ONE, TWO = frozenset({1}), frozenset({1, 2})
THEIRS = Evidence(senders=1, contact_ids=frozenset({7}), allowed=ONE)

CASES = [
    ("an answer by the signed address", {"tokens": ONE}, ("add", 1, "")),
    ("an answer by references", {"referenced": ONE}, ("add", 1, "")),
    ("the number in the subject", {"in_subject": ONE}, ("add", 1, "")),
    ("the number in the text only", {"in_body": ONE}, ("hold", 1, "body_number")),
    ("two numbers in the subject", {"in_subject": TWO}, ("hold", None, "two_incidents")),
    ("two threads in the references", {"referenced": TWO}, ("hold", None, "two_incidents")),
    ("the address beats the subject", {"tokens": ONE, "in_subject": frozenset({2})}, ("add", 1, "")),
    ("two signed addresses", {"tokens": TWO}, ("hold", None, "two_incidents")),
    ("references beat the subject", {"referenced": ONE, "in_subject": frozenset({2})}, ("add", 1, "")),
    ("the subject beats the text", {"in_subject": ONE, "in_body": frozenset({2})}, ("add", 1, "")),
    ("no incident", {}, ("hold", None, "no_incident")),
    ("another customer's number", {"in_subject": frozenset({9})}, ("hold", 9, "not_theirs")),
    ("another customer's signed address", {"tokens": frozenset({9})}, ("hold", 9, "not_theirs")),
    (
        "a stranger",
        {"contact_ids": frozenset(), "allowed": frozenset(), "in_subject": ONE},
        ("hold", 1, "unknown_sender"),
    ),
    ("a stranger with a forwarded address", {"contact_ids": frozenset(), "tokens": ONE}, ("hold", 1, "unknown_sender")),
    ("a technician", {"from_staff": True, "in_subject": ONE}, ("hold", 1, "staff")),
    ("several senders", {"senders": 2, "in_subject": ONE}, ("hold", 1, "several_senders")),
    ("no sender", {"senders": 0, "in_subject": ONE}, ("hold", 1, "several_senders")),
    ("forged by DMARC", {"forged": True, "tokens": ONE}, ("hold", 1, "dmarc")),
    ("unreadable", {"readable": False, "tokens": ONE}, ("hold", None, "unreadable")),
    ("encrypted", {"encrypted": True, "tokens": ONE}, ("hold", 1, "encrypted")),
    ("encrypted, and it names nothing", {"encrypted": True}, ("hold", None, "encrypted")),
    ("no text", {"has_content": False, "in_subject": ONE}, ("hold", 1, "no_text")),
    ("200,000 characters", {"too_long": True, "in_subject": ONE}, ("hold", 1, "too_long")),
    ("an absence reply to our mail", {"automatic": True, "referenced": ONE}, ("automatic", 1, "")),
    ("a delivery report to the signed address", {"automatic": True, "senders": 0, "tokens": ONE}, ("automatic", 1, "")),
    ("a newsletter with a number", {"automatic": True, "in_subject": ONE}, ("hold", 1, "automatic")),
]


def test_the_example_in_the_docstring_holds():
    assert doctest.testmod(filing).failed == 0


@pytest.mark.rule("D26", "D28")
@pytest.mark.parametrize(("given", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_table(given, expected):
    action, incident, reason = expected
    decided = decide(replace(THEIRS, **given))
    if reason == "unreadable":
        assert (decided.action, decided.reason) == (action, reason)
    else:
        assert decided == Decision(action=action, incident=incident, reason=reason)
