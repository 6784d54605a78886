"""Who may file what by mail: the table of cases (D26, D28)."""

from __future__ import annotations

import doctest
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from incidents import filing
from incidents.filing import Decision, Evidence, decide

NONE: frozenset[int] = frozenset()
ONE, TWO = frozenset({1}), frozenset({1, 2})
THEIRS = Evidence(senders=1, contact_ids=frozenset({7}), allowed=ONE)

CASES = [
    ("an answer by the signed address", {"tokens": ONE}, ("add", 1, "")),
    ("an answer by references", {"referenced": ONE}, ("add", 1, "")),
    ("the number in the subject", {"in_subject": ONE}, ("add", 1, "")),
    ("the number in the text only", {"in_body": ONE}, ("hold", 1, "body_number")),
    ("two numbers in the subject", {"in_subject": TWO}, ("hold", None, "two_incidents")),
    ("two threads in the references", {"referenced": TWO, "allowed": TWO}, ("hold", None, "two_incidents")),
    ("two threads, one of which is theirs", {"referenced": TWO}, ("add", 1, "")),
    ("two threads, none of which is theirs", {"referenced": frozenset({8, 9})}, ("hold", None, "two_incidents")),
    (
        "three threads, two of which are theirs",
        {"referenced": frozenset({1, 2, 9}), "allowed": TWO},
        ("hold", None, "two_incidents"),
    ),
    (
        "two threads, of a stranger",
        {"referenced": TWO, "contact_ids": NONE, "allowed": NONE},
        ("hold", None, "unknown_sender"),
    ),
    ("a machine's, that answers theirs and another's", {"automatic": True, "referenced": TWO}, ("automatic", 1, "")),
    ("the address beats the subject", {"tokens": ONE, "in_subject": frozenset({2})}, ("add", 1, "")),
    ("two signed addresses", {"tokens": TWO}, ("hold", None, "two_incidents")),
    ("references beat the subject", {"referenced": ONE, "in_subject": frozenset({2})}, ("add", 1, "")),
    ("the subject beats the text", {"in_subject": ONE, "in_body": frozenset({2})}, ("add", 1, "")),
    ("no incident", {}, ("draft", None, "")),
    ("no incident, of several customers", {"contact_ids": frozenset({7, 8})}, ("draft", None, "")),
    ("no incident, no text", {"has_content": False}, ("hold", None, "no_text")),
    ("no incident, 200,000 characters", {"too_long": True}, ("hold", None, "too_long")),
    ("no incident, of a stranger", {"contact_ids": NONE, "allowed": NONE}, ("hold", None, "unknown_sender")),
    ("no incident, of staff who are contacts, too", {"from_staff": True}, ("hold", None, "staff")),
    ("no incident, forged", {"forged": True}, ("hold", None, "dmarc")),
    ("no incident, automatic", {"automatic": True}, ("hold", None, "automatic")),
    ("an answer to a draft", {"drafts": frozenset({5})}, ("append", 5, "")),
    ("an answer to two drafts adds to the later one", {"drafts": frozenset({5, 6})}, ("append", 6, "")),
    ("an answer to a draft, with a number", {"drafts": frozenset({5}), "in_subject": ONE}, ("append", 5, "")),
    ("an answer to a draft and to an incident", {"drafts": frozenset({5}), "referenced": ONE}, ("add", 1, "")),
    (
        "an answer to a draft and to another customer's incident",
        {"drafts": frozenset({5}), "referenced": frozenset({9})},
        ("hold", 9, "not_theirs"),
    ),
    (
        "an answer to a draft without a word",
        {"drafts": frozenset({5}), "has_content": False},
        ("hold", None, "no_text"),
    ),
    ("an absence note to a draft's mail", {"drafts": frozenset({5}), "automatic": True}, ("automatic", 5, "")),
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
    ("a colleague's signed address, who may see it", {"tokens": ONE, "contact_ids": frozenset({8})}, ("add", 1, "")),
    (
        "a colleague's signed address, restricted",
        {"tokens": ONE, "contact_ids": frozenset({8}), "allowed": NONE},
        ("hold", 1, "not_theirs"),
    ),
    (
        "the address of an incident that is not theirs, and the number of one that is",
        {"tokens": frozenset({9}), "in_subject": ONE},
        ("hold", 9, "not_theirs"),
    ),
    (
        "an answer to what is not theirs, with a number that is",
        {"referenced": frozenset({9}), "in_subject": ONE},
        ("hold", 9, "not_theirs"),
    ),
    (
        "two threads, and a number in the subject",
        {"referenced": TWO, "allowed": TWO, "in_subject": ONE},
        ("hold", None, "two_incidents"),
    ),
    ("two numbers in the text", {"in_body": TWO}, ("hold", None, "two_incidents")),
    ("two numbers in the subject, and an address", {"tokens": ONE, "in_subject": TWO}, ("add", 1, "")),
    ("a blocked sender", {"blocked": True, "tokens": ONE}, ("hold", 1, "blocked")),
    ("a blocked sender's absence note", {"blocked": True, "automatic": True, "tokens": ONE}, ("hold", 1, "blocked")),
    ("encrypted", {"encrypted": True, "has_content": False, "tokens": ONE}, ("hold", 1, "encrypted")),
    ("encrypted, of a stranger", {"encrypted": True, "contact_ids": NONE}, ("hold", None, "unknown_sender")),
    ("too big", {"too_big": True, "tokens": ONE}, ("hold", 1, "too_big")),
    ("too big, and a machine's", {"too_big": True, "automatic": True, "tokens": ONE}, ("hold", 1, "automatic")),
    ("forged, and a machine's", {"forged": True, "automatic": True, "tokens": ONE}, ("hold", 1, "dmarc")),
    (
        "a machine's, that answers two incidents",
        {"automatic": True, "referenced": TWO, "allowed": TWO},
        ("hold", None, "automatic"),
    ),
    ("a machine's, of nobody", {"automatic": True, "contact_ids": NONE, "referenced": ONE}, ("automatic", 1, "")),
    ("a newsletter with a number", {"automatic": True, "in_subject": ONE}, ("hold", 1, "automatic")),
]


def test_the_example_in_the_docstring_holds():
    assert doctest.testmod(filing).failed == 0


@pytest.mark.rule("D26", "D27", "D28")
@pytest.mark.parametrize(("given", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_table(given, expected):
    action, incident, reason = expected
    decided = decide(replace(THEIRS, **given))
    if reason == "unreadable":
        assert (decided.action, decided.reason) == (action, reason)
    else:
        named = {"draft" if action == "append" or (action == "automatic" and incident == 5) else "incident": incident}
        assert decided == Decision(action=action, reason=reason, **named)


def _all_evidence() -> Iterator[Evidence]:
    """Every combination: one's own incident is 1, 9 is another customer's, 5 a draft."""
    levels = [NONE, ONE, frozenset({9}), frozenset({1, 9})]
    flags = ("from_staff", "blocked", "automatic", "forged")
    lacks: list[dict[str, Any]] = [
        {},
        {"too_big": True},
        {"encrypted": True},
        {"has_content": False},
        {"too_long": True},
    ]
    people = [(1, frozenset({7}), ONE), (1, NONE, NONE), (1, frozenset({8}), NONE), (2, NONE, NONE), (0, NONE, NONE)]
    for senders, contacts, allowed in people:
        for named in product(levels, levels, levels, levels, [NONE, frozenset({5})]):
            where: dict[str, Any] = dict(
                zip(("tokens", "referenced", "in_subject", "in_body", "drafts"), named, strict=True)
            )
            base = Evidence(senders=senders, contact_ids=contacts, allowed=allowed, **where)
            for lack in lacks:
                for on in (*((flag,) for flag in flags), (), flags):
                    yield replace(base, **(lack | dict.fromkeys(on, True)))
            yield replace(base, readable=False)


@pytest.mark.rule("D26", "D27", "D28")
def test_whatever_a_mail_shows_nobody_gets_in_by_it():
    seen: Counter[str] = Counter()
    for given in _all_evidence():
        made = decide(given)
        seen[made.action] += 1
        assert made == decide(given)
        vouched = given.senders == 1 and bool(given.contact_ids) and given.readable
        vouched = vouched and not (given.from_staff or given.blocked or given.forged or given.automatic)
        if made.action == "add":
            assert vouched
            assert made.incident in given.allowed
            assert made.incident in given.tokens | given.referenced | given.in_subject, "a number in the text alone"
            deciding = next(level for level in (given.tokens, given.referenced, given.in_subject) if level)
            by_references = not given.tokens and len(given.referenced) > 1
            assert {made.incident} == (deciding & given.allowed if by_references else deciding)
        if made.action in ("append", "draft"):
            assert vouched
            assert not given.tokens | given.referenced
            assert made.incident is None
            assert (made.draft in given.drafts) == (made.action == "append")
            assert given.drafts or not given.in_subject | given.in_body
        if made.action in ("add", "append", "draft"):
            assert given.has_content
            assert not any((given.too_long, given.too_big, given.encrypted))
        if given.automatic:
            assert made.action in ("automatic", "hold")
        if made.action == "automatic":
            assert given.automatic
            assert made.incident in given.tokens | given.referenced or made.draft in given.drafts
        if given.forged or given.blocked or not given.readable:
            assert made.action == "hold"
        assert (made.action == "hold") == bool(made.reason)
    assert set(seen) == {"add", "append", "draft", "automatic", "hold"}
