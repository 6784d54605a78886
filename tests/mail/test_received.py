"""Where a mail came from: what our own servers wrote, and nothing that was brought along (D28)."""

from __future__ import annotations

import pytest

from supportdesk.mail.received import came_from, envelope_of

pytestmark = pytest.mark.rule("D28")

BY = ["mx.quillmark.example"]


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ("from mail.acme.example (mail.acme.example [198.51.100.7]) by mx.quillmark.example (Postfix)", "198.51.100.7"),
        ("from x (unknown [IPv6:2001:db8::7])\r\n\t(using TLSv1.3)\r\n\tby MX.quillmark.example", "2001:db8::7"),
        ("from [192.0.2.1] (unknown [198.51.100.7]) by mx.quillmark.example", "198.51.100.7"),
        ("from (x [192.0.2.1]) (unknown [198.51.100.7]) by mx.quillmark.example", "198.51.100.7"),
        ("from h ([198.51.100.7] helo=[192.0.2.1]) by mx.quillmark.example with esmtp (Exim)", "198.51.100.7"),
        ("from unknown (HELO [192.0.2.1]) (198.51.100.7) by mx.quillmark.example with SMTP", "198.51.100.7"),
        ("from A.acme.example (198.51.100.7) by mx.quillmark.example (192.0.2.2) with Microsoft", "198.51.100.7"),
        ("from [198.51.100.7] by mx.quillmark.example", "198.51.100.7"),
        ("from x (x [198.51.100.7]) by other.example", ""),
        ("by mx.quillmark.example with LMTP id 1.2.3.4", ""),
        ("from x (x [999.1.1.1]) by mx.quillmark.example", ""),
        ("from a (a [192.0.2.9]) by evil.example by mx.quillmark.example", ""),
    ],
)
def test_the_address_that_our_server_saw(lines: str, address: str):
    assert came_from(f"Received: {lines}; now\r\nFrom: o@acme.example\r\n\r\nHi".encode(), by=BY) == address
    assert came_from(f"Received: {lines}; now\r\n\r\n".encode(), by=[]) == ""


def test_hops_inside_are_passed_over_and_what_was_brought_along_is_not_believed():
    source = (
        b"Received: from mx (localhost [127.0.0.1]) by mx.quillmark.example; now\r\n"
        b"Received: from scan.inside.example (scan [10.0.0.2]) by store.inside.example; now\r\n"
        b"Received: from acme (acme [198.51.100.7]) by mx.quillmark.example; now\r\n"
        b"Received: from forged (forged [192.0.2.1]) by mx.quillmark.example; now\r\n\r\nHi"
    )
    assert came_from(source, by=BY) == "198.51.100.7"
    assert came_from(b"\xff" * 100_000, by=BY) == ""
    assert came_from(b"Received: " + b"(" * 100_000 + b"by mx.quillmark.example\r\n\r\n", by=BY) == ""


def test_the_envelope_that_the_mailbox_has():
    source = (
        b"Return-Path: <olive@acme.example>\r\nDelivered-To: support@quillmark.example\r\n"
        b"X-Original-To: reply+1@quillmark.example\r\nDelivered-To: support@quillmark.example\r\n\r\nHi"
    )
    assert envelope_of(source) == ("olive@acme.example", ["support@quillmark.example", "reply+1@quillmark.example"])
    assert envelope_of(b"Return-Path: <>\r\n\r\n") == ("", [])
