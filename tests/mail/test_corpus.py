"""Every mail of the corpus, read alone and filed in a database with other customers in it (D26, D28, D29, D31)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from incidents.inbound import file_mail
from incidents.models import HeldMail, Incident, Message
from incidents.numbers import grouped
from supportdesk.mail.incoming import store_raw
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.parse import content_digest, parse
from supportdesk.mail.tokens import reply_address
from tests.cast import Cast
from tests.incidents_helpers import DESK, again, answered, opened, why_held
from tests.mail.samples import BARE_MAIL_IS_HELD, PLACEHOLDERS, Sample, differences, samples
from tests.mail.unchanged import pictures

# Mails that are counted here; the more the better, never fewer.
CORPUS_MIN = 460
HOUR = timedelta(hours=1)
EVERY = pytest.mark.parametrize("sample", samples(), ids=str)


def test_the_corpus_is_large_and_whole():
    assert len(samples()) >= CORPUS_MIN
    assert [str(sample) for sample in samples() if not sample.path.with_suffix(".json").exists()] == []


@pytest.mark.rule("D29", "D31", "D28")
@EVERY
def test_it_is_read(sample: Sample):
    expected = sample.expected(PLACEHOLDERS)
    source = sample.source(PLACEHOLDERS)
    read: dict[str, Any] = {"authserv_id": "support.quillmark.example", "own_domain": "support.quillmark.example"}
    mail = parse(source, mail_from=expected.get("mail_from", "someone@mail.example"), **read)
    assert differences(expected, mail) == []
    # What each delivery adds on its way is no other mail (D29).
    again_ = parse(b"Received: by mx.example; Tue, 1 Dec 2026 15:00:00 +0000\r\n" + source, **read)
    if not source.startswith((b"From ", b">From ", b"\r", b"\n", b" ")) and b"\n" in source:
        assert content_digest(again_) == content_digest(mail)


@pytest.mark.rule("D26", "D28", "D29")
@pytest.mark.parametrize("group", sorted({sample.group for sample in samples()}))
def test_it_is_filed(cast: Cast, at: datetime, group: str):
    """A group at a time in one database: each mail is filed into the same state, which is then put back."""
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at + HOUR)
    for contact in (cast.owner, cast.restricted, cast.stranger):
        answered(opened(contact, at=at), cast.technician, at=at + HOUR)
    values = {
        "number": incident.number,
        "shown": grouped(incident.number),
        "reply": reply_address(incident_id=incident.pk, contact_id=cast.owner.pk),
        "message_id": OutgoingMail.objects.get(about=f"incident:{incident.pk}", kind="incident_answered").message_id,
        "desk": DESK,
    }
    wrong = []
    for sample in samples():
        if sample.group == group:
            start = transaction.savepoint()
            found = _filed(sample, values, incident=incident, cast=cast, at=at + 2 * HOUR)
            wrong += [f"{sample}: {words}" for words in found]
            transaction.savepoint_rollback(start)
    assert wrong == []


def _filed(sample: Sample, values: dict[str, str], *, incident: Incident, cast: Cast, at: datetime) -> Iterator[str]:
    """Files one mail, and says in what it went another way than expected."""
    expected = sample.expected(values)
    before = pictures()
    sent = set(OutgoingMail.objects.values_list("pk", flat=True))
    raw, new = store_raw(
        source=sample.source(values),
        mail_from=expected.get("mail_from", "someone@mail.example"),
        rcpt_to=expected.get("rcpt_to", [DESK]),
        at=at,
        via="smtp",
    )
    if not (new and file_mail(raw_id=raw.pk, at=at)):
        yield "it was not filed"
    raw.refresh_from_db()
    outcome, reason = expected.get("outcome"), expected.get("reason", "")
    if BARE_MAIL_IS_HELD and outcome == "draft":
        outcome, reason = "held", "no_incident"
    filed = (str(raw.outcome), why_held(raw))
    # A reason that is left out may be any.
    if outcome is not None and filed != (outcome, (reason or filed[1]) if outcome == "held" else ""):
        yield f"filed as {filed}, not {(outcome, reason)} {raw.last_error}"
    now = pictures()
    touched = {pk for pk in before | now if before.get(pk) != now.get(pk)}
    if touched != ({incident.pk} if raw.outcome in ("added", "automatic", "request") else set()):
        yield f"{raw.outcome}, and it changed {touched}"
    yield from _effects(raw.outcome, raw_id=raw.pk, incident=again(incident), cast=cast)
    # Staff are told of it; a customer only by the answer to what is held or made a draft (D27, D28).
    told = OutgoingMail.objects.exclude(pk__in=sent).exclude(kind__startswith="staff_")
    if told and not (len(told) == 1 and raw.outcome in ("held", "draft")):
        yield f"{raw.outcome}, and mails went out: {[mail.kind for mail in told]}"


def _effects(outcome: str, *, raw_id: int, incident: Incident, cast: Cast) -> Iterator[str]:
    made = Message.objects.filter(raw_mail=raw_id).first()
    effect = None if made is None else (str(made.kind), made.contact == cast.owner, incident.status)
    wanted = {
        "added": ("customer", True, "open"),
        "request": ("customer", True, "open"),
        "automatic": ("automatic", made is not None and made.contact == cast.owner, "waiting"),
    }.get(outcome)
    if effect != wanted:
        yield f"{outcome}, and its message is {effect}"
    if HeldMail.objects.filter(raw_mail=raw_id).exists() is not (outcome == "held"):
        yield f"{outcome}, and the list of held mail says otherwise"
