"""Rules and code hold together: what is cited exists, what is built so far is proved."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from supportdesk import rules

# What no code can do yet; a rule leaves this list with the work that brings it.
LATER = {
    "D34",
    *("D41",),
}


def test_every_rule_is_read():
    assert list(rules.texts()) == [f"R{n}" for n in range(1, 16)] + [f"D{n}" for n in range(1, 42)]


def test_a_citation_names_a_rule():
    unknown = {name: place for name, place in rules.cited_anywhere().items() if name not in rules.texts()}
    assert unknown == {}


@pytest.mark.parametrize("name", sorted(set(rules.texts()) - LATER))
def test_a_rule_has_a_test(name):
    assert rules.proofs(name), f"{name} is built, but no test carries its mark"


def test_the_command_prints_text_code_and_tests():
    out = StringIO()
    call_command("rule", "d12", stdout=out)
    printed = out.getvalue()
    assert "never pauses" in printed
    assert "sla/deadline.py" in printed
    assert "tests/" in printed


def test_the_command_says_what_is_no_rule():
    with pytest.raises(CommandError, match="D99 is no rule"):
        call_command("rule", "D99")
