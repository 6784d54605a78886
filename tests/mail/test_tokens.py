"""Reply addresses carry a signature: nobody makes one but the desk (D26)."""

from __future__ import annotations

from typing import Any

import pytest

from supportdesk.mail.tokens import ReplyToken, read_reply_address, reply_address

pytestmark = pytest.mark.rule("D26")


def test_an_address_comes_back_as_what_it_was_signed_for():
    address = reply_address(incident_id=12, contact_id=34)
    assert len(address.partition("@")[0]) <= 64
    assert read_reply_address(address) == ReplyToken(incident_id=12, contact_id=34)
    assert read_reply_address(f" {address.upper()} ") == ReplyToken(incident_id=12, contact_id=34)


def test_no_other_address_is_taken_for_one():
    address = reply_address(incident_id=12, contact_id=34)
    local, domain = address.split("@")
    mac = local.rpartition(".")[2]
    for forged in (
        f"reply+13.34.{mac}@{domain}",
        f"reply+12.35.{mac}@{domain}",
        f"reply+34.12.{mac}@{domain}",
        f"reply+012.34.{mac}@{domain}",
        f"reply+1２.34.{mac}@{domain}",
        f"reply+12.34.{'a' * 24}@{domain}",
        f"reply+12.34.{mac[:-1]}@{domain}",
        f"reply+12.34.@{domain}",
        f"{local}@evil.example",
        f"{local}\n@{domain}",
        f"x{address}",
        local,
        "",
    ):
        assert read_reply_address(forged) is None, forged


def test_keys_can_be_changed_without_losing_answers_under_way(settings: Any):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "old", []
    address = reply_address(incident_id=12, contact_id=34)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    assert reply_address(incident_id=12, contact_id=34) != address
    assert read_reply_address(address) is not None
    settings.SECRET_KEY_FALLBACKS = []
    assert read_reply_address(address) is None
