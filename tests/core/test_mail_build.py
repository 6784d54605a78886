"""A mail's headers as they go over the wire: one recipient, whatever the name before the address (D26, D30)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.parser import BytesParser
from email.policy import compat32, default

import pytest

from supportdesk.mail.build import build
from supportdesk.mail.models import OutgoingMail


def sent_to(name: str) -> bytes:
    mail = OutgoingMail(
        message_id="<1@support.example>",
        to_address="olive@acme.example",
        to_name=name,
        reply_to=f"reply+1.2.{'a' * 24}@support.example",
        subject="Hi",
        text="Hi",
        queued_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return build(mail, from_name=name, from_address="desk@support.example").as_bytes()


@pytest.mark.rule("D26")
@pytest.mark.parametrize(
    "name",
    [
        "Olive Owner",
        "Owner, Olive",
        "all@other.example, " + "word " * 19 + "end",
        "x" * 70 + ", " + "y" * 40,
        "é <boss@other.example>, " * 4 + "é",
        '"Q" \\ (boss), é',
        "=?utf-8?q?x?=",
        "名" * 120,
    ],
)
def test_a_name_is_no_second_recipient_and_arrives_as_it_is(name: str):
    wire = sent_to(name)
    parsed, plain = (BytesParser(policy=policy).parsebytes(wire) for policy in (default, compat32))
    for header, address in (("From", "desk@support.example"), ("To", "olive@acme.example")):
        (one,) = parsed[header].addresses
        assert one.addr_spec == address
        said = plain[header].rpartition(" <")[0].strip()
        if said.startswith('"'):
            said = said[1:-1].replace('\\"', '"').replace("\\\\", "\\")
            assert said == name
        else:
            assert str(make_header(decode_header(said))) == name
    assert [one.addr_spec for one in parsed["Reply-To"].addresses] == [f"reply+1.2.{'a' * 24}@support.example"]
    assert all(len(line) < 300 for line in wire.splitlines())
