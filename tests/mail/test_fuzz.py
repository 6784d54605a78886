"""Damaged mails by the thousand: each ends up somewhere, and none changes what it must not (D26, D28, D29)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest

from incidents.inbound import file_mail
from incidents.models import HeldMail, Incident, Message
from incidents.numbers import grouped
from supportdesk.mail.incoming import store_raw
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.mail.tokens import reply_address
from tests.cast import Cast
from tests.incidents_helpers import DESK, answered, opened
from tests.mail.mutate import mutated
from tests.mail.samples import samples
from tests.mail.second_opinion import SecondOpinion
from tests.mail.unchanged import pictures

BATCH = 250
PLAIN, FULL = 4, 80
SERVER = "support.quillmark.example"
# Sources beyond this are in the corpus for their length, which tests of work look at.
SOURCE_MAX = 60_000
# The only mails to people outside that a mail may cause: answers to what is held or made a draft (D27).
ANSWERS = ("not_filed", "draft")
ANSWERS_MAX = 10
HOUR = timedelta(hours=1)


def _batches() -> list[object]:
    return [*range(PLAIN), *(pytest.param(batch, marks=pytest.mark.full) for batch in range(PLAIN, FULL))]


@pytest.mark.rule("D26", "D28", "D29")
@pytest.mark.parametrize("batch", _batches())
def test_damaged_mails_are_kept_and_do_no_harm(cast: Cast, at: datetime, batch: int):
    incident = opened(cast.owner, at=at)
    for one in (incident, *(opened(contact, at=at) for contact in (cast.restricted, cast.stranger))):
        answered(one, cast.technician, at=at + HOUR)
    ours = list(OutgoingMail.objects.values_list("message_id", flat=True))
    reply = reply_address(incident_id=incident.pk, contact_id=cast.owner.pk)
    values = {
        "number": incident.number,
        "shown": grouped(incident.number),
        "reply": reply,
        "message_id": OutgoingMail.objects.get(about=f"incident:{incident.pk}", kind="incident_answered").message_id,
        "desk": DESK,
    }
    sources = [source for sample in samples() if len(source := sample.source(values)) <= SOURCE_MAX]
    before, sent = pictures(), set(OutgoingMail.objects.values_list("pk", flat=True))
    outcomes: Counter[str] = Counter()
    for index in range(BATCH):
        source = mutated(f"{batch}/{index}", sources)
        try:
            outcomes[_one(source, incident=incident, cast=cast, ours=ours, reply=reply, at=at + 2 * HOUR)] += 1
        except AssertionError as error:
            error.add_note(f"The mail {batch}/{index}: {source[:3000]!r}")
            raise
    now = pictures()
    assert {pk for pk in before | now if before.get(pk) != now.get(pk)} <= {incident.pk}
    assert sum(outcomes.values()) == BATCH
    assert {"added", "held", "automatic"} <= set(outcomes), "the damage is so great that nothing is tried"
    # Only answers to what is held or made a draft leave the house, and few to one address (D27, D28).
    told = OutgoingMail.objects.exclude(pk__in=sent).exclude(kind__startswith="staff_")
    assert {mail.kind for mail in told if not mail.kind.startswith(ANSWERS)} == set()
    counts = Counter((mail.kind, mail.to_address.lower()) for mail in told)
    assert all(count <= ANSWERS_MAX for count in counts.values()), counts


def _one(source: bytes, *, incident: Incident, cast: Cast, ours: list[str], reply: str, at: datetime) -> str:
    raw, new = store_raw(source=source, mail_from="someone@mail.example", rcpt_to=[DESK], at=at, via="smtp")
    file_mail(raw_id=raw.pk, at=at)
    raw = RawMail.objects.get(pk=raw.pk)
    assert raw.outcome, "it has no outcome"
    assert not raw.last_error, raw.last_error
    assert bytes(RawMail.objects.values_list("source", flat=True).get(pk=raw.pk)) == source or not new
    if not new:
        return "duplicate"
    assert HeldMail.objects.filter(raw_mail=raw).exists() is (raw.outcome == "held")
    for message in Message.objects.filter(raw_mail=raw):
        opinion = SecondOpinion(source)
        assert message.incident_id == incident.pk
        assert opinion.names(number=incident.number, ids=ours, tokens=[reply.partition("@")[0]])
        if message.kind != "automatic":
            assert message.contact == cast.owner
            assert opinion.sender() == cast.owner.email
            assert not opinion.failed_dmarc(SERVER)
    return str(raw.outcome)
