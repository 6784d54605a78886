"""Changing a report that is not opened yet (D8)."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import transaction

from incidents.models import Draft
from incidents.services.common import Refused
from incidents.services.opening import DraftGone, Report
from supportdesk.people.services import lock_customer


class DraftOpened(Refused):
    """The draft has become an incident meanwhile: ``number`` says which."""

    def __init__(self, number: str) -> None:
        super().__init__(number)
        self.number = number


class DraftChanged(Refused):
    """Somebody else changed the draft since the page was loaded."""


def state_of(draft: Draft) -> str:
    """What a draft says, in short: a page that shows an older one is stale."""
    said = "\0".join([draft.kind, str(draft.release_id), draft.subject, draft.text])
    return hashlib.sha256(said.encode()).hexdigest()[:32]


@transaction.atomic
def change_draft(
    *, draft_id: int, kind: str, release_id: int, subject: str, text: str, seen: str, at: datetime
) -> Draft:
    """Makes the draft say something else; how long it is kept does not change (D8). The same again changes nothing.

    ``seen`` is the ``state_of`` the draft that the page showed.

    Raises DraftGone, DraftOpened, DraftChanged, TextMissing, TextTooLong; then nothing has changed.
    """
    lock_customer(Draft.objects.values_list("customer_id", flat=True).get(pk=draft_id))
    draft = Draft.objects.select_related("contact", "incident").get(pk=draft_id)
    if draft.incident is not None:
        raise DraftOpened(draft.incident.number)
    if draft.discarded_at is not None or draft.kept_until <= at:
        raise DraftGone
    report = Report(
        contact=draft.contact, channel=draft.channel, kind=kind, release_id=release_id, subject=subject, text=text
    )
    before = state_of(draft)
    if report.text != draft.text:
        # It says something else by now than the mail did.
        draft.html = ""
    draft.kind, draft.release_id, draft.subject, draft.text = kind, release_id, report.subject, report.text
    if state_of(draft) == before:
        return draft
    if before != seen:
        raise DraftChanged
    draft.save(update_fields=["kind", "release", "subject", "text", "html"])
    return draft


@transaction.atomic
def bring_back_draft(*, draft_id: int, at: datetime) -> Draft:
    """Keeps a discarded draft again, for as long as it was to be kept (D8). One that is kept already stays so.

    Raises DraftGone, DraftOpened; then nothing has changed.
    """
    lock_customer(Draft.objects.values_list("customer_id", flat=True).get(pk=draft_id))
    draft = Draft.objects.select_related("incident").get(pk=draft_id)
    if draft.incident is not None:
        raise DraftOpened(draft.incident.number)
    if draft.kept_until <= at:
        raise DraftGone
    if draft.discarded_at is not None:
        draft.discarded_at = None
        draft.save(update_fields=["discarded_at"])
    return draft
