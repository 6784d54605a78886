"""``check_mail`` finds what should never be, and says nothing of what is right (D29, D30, D31)."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from incidents.inbound import attach_held, draft_held
from incidents.models import Attachment, Draft, DraftMail, HeldMail, IncidentMail, Message
from incidents.services.files import keep_upload, place_of
from supportdesk import clock
from supportdesk.mail.models import OutgoingFile, OutgoingMail, RawMail
from tests.cast import Cast
from tests.faults.test_in import with_file
from tests.incidents_helpers import answered, delivered, mailed, opened

pytestmark = [pytest.mark.rule("D29"), pytest.mark.rule("D30"), pytest.mark.rule("D31")]
HOUR = timedelta(hours=1)
OLIVE = "olive@acme.example"


@pytest.fixture
def mails(cast: Cast, clock_at: datetime) -> Cast:
    """One of each: added with a file, made a draft, held, attached, automatic, a duplicate; answers with a file."""
    at = clock_at
    incident = opened(cast.owner, at=at)
    named = f"[{incident.number}]"
    source = with_file(incident)
    delivered(source, at=at, mail_from=OLIVE)
    delivered(b"Received: by another\r\n" + source, at=at, mail_from=OLIVE)
    mailed(sender=OLIVE, at=at, subject="New")
    held = [mailed(sender=f"{name}@else.example", at=at, subject=named) for name in ("anna", "bert", "carla")]
    ids = [HeldMail.objects.get(raw_mail=raw).pk for raw in held]
    attach_held(held_id=ids[0], incident_id=incident.pk, user=cast.technician, at=at, confirmed=True)
    draft_held(held_id=ids[1], contact_id=cast.owner.pk, user=cast.technician, at=at)
    ours = incident.mails.all()[0].mail.message_id
    mailed(sender=OLIVE, at=at, subject="Away", Auto_Submitted="auto-replied", In_Reply_To=ours)
    message = answered(incident, cast.technician, at=at)
    file = keep_upload(name="how.txt", chunks=[b"so"], at=at, user=cast.technician)
    mail = message.mails.get().mail
    OutgoingFile.objects.create(mail=mail, stored=file.stored, name="how.txt", size=2, content_type="text/plain")
    return cast


def found(*args: str) -> list[str]:
    """The lines that it prints, without the last one; none where it says that nothing differs."""
    out = io.StringIO()
    try:
        call_command("check_mail", *args, stdout=out)
    except CommandError:
        *lines, verdict = out.getvalue().splitlines()
        assert f"{len(lines)} differences" in verdict
        assert lines
        return lines
    assert out.getvalue().endswith("nothing differs\n")
    assert out.getvalue().count("\n") == 1
    return []


def test_a_desk_that_is_right_is_said_to_be(mails: Cast):
    outcomes = set(RawMail.objects.values_list("outcome", flat=True))
    assert outcomes == {"added", "duplicate", "draft", "held", "automatic"}
    assert found("--digests") == []


def _raw(outcome: str) -> Any:
    return RawMail.objects.filter(outcome=outcome)


def _unlink(stored: str) -> None:
    place_of(stored).unlink()


WRONG: dict[str, Callable[[], object]] = {
    "due since": lambda: (
        _raw("held")
        .filter(held__settled_at=None)
        .update(outcome="", handled_at=None, next_try_at=F("next_try_at") - HOUR)
    ),
    "nobody knows when": lambda: _raw("draft").update(handled_at=None),
    "added, and there is no message of it": lambda: _raw("draft").update(outcome="added"),
    "made a draft, and there is none of it": lambda: (
        DraftMail.objects.exclude(came=None).filter(came__outcome="draft").delete()
    ),
    "and not among held mail": lambda: (
        HeldMail.objects.filter(settled_at=None).delete(),
        _raw("held").update(handled_at=F("handled_at") - HOUR),
    ),
    "which does not count itself": lambda: _raw("duplicate").update(reason="999999"),
    "not handled, and message": lambda: _raw("added").update(outcome="", handled_at=None),
    "were made of it": lambda: Draft.objects.filter(raw_mail__outcome="draft").update(raw_mail=_raw("added").get()),
    "came by mail, and has no source": lambda: Message.objects.filter(raw_mail__outcome="added").update(
        raw_mail=None, incident=F("incident")
    ),
    "held mail": lambda: HeldMail.objects.filter(settled_as="attached").update(
        raw_mail=_raw("automatic").get(), settled_at=None, settled_as=""
    ),
    "attached, and there is no message of it": lambda: HeldMail.objects.filter(settled_as="draft").update(
        settled_as="attached"
    ),
    "claimed until": lambda: OutgoingMail.objects.update(claimed_until=clock.now() - HOUR),
    "sent, and still claimed": lambda: OutgoingMail.objects.update(sent_at=clock.now(), claimed_until=clock.now()),
    "queued at": lambda: OutgoingMail.objects.update(sent_at=F("queued_at") - HOUR),
    "in 2 mails": lambda: (
        IncidentMail.objects.filter(message=None).update(message=Message.objects.get(kind="answer"))
        and OutgoingMail.objects.update(kind="incident_answered")
    ),
    "of no incident": lambda: IncidentMail.objects.all().delete(),
    "of no reader": lambda: OutgoingMail.objects.update(bulk=True, kind="tips_issue"),
    "its bytes cannot be read": lambda: _unlink(Attachment.objects.exclude(message=None).get().stored),
    "bytes are there": lambda: place_of(Attachment.objects.exclude(message=None).get().stored).write_bytes(b"?"),
    "its file": lambda: _unlink(OutgoingFile.objects.get().stored),
}


@pytest.mark.parametrize("words", WRONG)
def test_what_should_never_be_is_found(mails: Cast, words: str):
    WRONG[words]()
    assert any(words in line for line in found())


def test_other_bytes_of_the_same_length_are_found_where_all_are_read(mails: Cast):
    file = Attachment.objects.exclude(message=None).get()
    place_of(file.stored).write_bytes(b"x" * file.size)
    assert found() == []
    assert found("--digests") == [f"file {file.pk}: other bytes are there than were kept"]
