"""What a mail that did not arrive does: its address is marked, and staff are told (D28, D39)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from incidents.models import Incident, IncidentMail, NoticeCode, TimelineCode
from incidents.notices import admins, owner_or_everyone
from incidents.services.common import lock_where_it_leads, note_step, tried
from incidents.services.noticing import notify
from supportdesk.mail.bounces import blames_address, reason_of
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import spellings
from supportdesk.mail.reports import Bounce
from supportdesk.people.access import contacts_mailed_at
from supportdesk.people.models import Contact

BATCH = 200


@transaction.atomic
def came_back(*, mail_id: int, bounce: Bounce, at: datetime) -> bool:
    """A report says that a mail of ours failed, for good or after days; False where one said so before (D28).

    The contacts whose address it went to are marked, of whatever customer, unless it was our mail or our server that
    was not wanted. Mails to them are written and tried as before: a mark is a word to people.
    """
    incident, reader = _of(mail_id)
    sent = OutgoingMail.objects.select_for_update(no_key=True).get(pk=mail_id)
    if sent.bounced_at is not None:
        return False
    sent.bounced_at, sent.bounce = at, reason_of(bounce.diagnostic, status=bounce.status)
    sent.save(update_fields=["bounced_at", "bounce"])
    marked = _mark(sent, at=at) if blames_address(bounce.status, bounce.diagnostic) else []
    _tell(sent, incident, reader, marked, at=at)
    return True


def judge_refused(*, at: datetime) -> int:
    """Marks the addresses that a server refused for good at sending; each refusal once, in parallel too (D28)."""
    refused = OutgoingMail.objects.filter(failed_at__isnull=False, bounced_at=None).exclude(bounce="")
    oldest = refused.order_by("failed_at", "pk").values_list("pk", flat=True)
    return sum(tried(_refused, pk, at=at) for pk in oldest[:BATCH])


@transaction.atomic
def _refused(mail_id: int, *, at: datetime) -> bool:
    incident, reader = _of(mail_id)
    waiting = OutgoingMail.objects.select_for_update(no_key=True, skip_locked=True)
    sent = waiting.filter(pk=mail_id, failed_at__isnull=False, bounced_at=None).exclude(bounce="").first()
    if sent is None:
        return False
    marked = _mark(sent, at=at)
    if incident is None and not marked:
        # Nobody's whom we know: it is a mail that could not be sent, like any other one.
        sent.bounce = ""
        sent.save(update_fields=["bounce"])
        return False
    sent.bounced_at = at
    sent.save(update_fields=["bounced_at"])
    _tell(sent, incident, reader, marked, at=at)
    return True


def _of(mail_id: int) -> tuple[Incident | None, int | None]:
    """The incident that the mail is of, locked, wherever it leads, and the contact that it went to (D35)."""
    link = IncidentMail.objects.filter(mail=mail_id).values_list("incident_id", "contact_id").first()
    return (None, None) if link is None else (lock_where_it_leads(link[0]), link[1])


def _mark(sent: OutgoingMail, *, at: datetime) -> list[int]:
    """Marks who has that address now, in the order of their ids; whose address is another one since is left alone."""
    there = [pk for one in spellings(sent.to_address) for pk in contacts_mailed_at(one).values_list("pk", flat=True)]
    marked = Contact.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=there).order_by("pk")
    ids = list(marked.values_list("pk", flat=True))
    Contact.objects.filter(pk__in=ids).update(bounced_at=at, bounce=sent.bounce)
    return ids


def _tell(
    sent: OutgoingMail, incident: Incident | None, reader: int | None, marked: list[int], *, at: datetime
) -> None:
    """The incident's owner, or everyone where nobody has it; of what is no incident's, the admins (D39)."""
    key = f"bounce:{sent.pk}:{at.isoformat()}"
    if incident is not None:
        note_step(incident, TimelineCode.MAIL_BOUNCED, at=at, data={"mail": sent.pk, "reader": reader})
        told = owner_or_everyone(incident.owner)
        notify(NoticeCode.BOUNCE, to=told, incident=incident, at=at, key=key, data={"mail": sent.pk})
    elif marked:
        notify(NoticeCode.BOUNCE, to=admins(), at=at, key=key, data={"mail": sent.pk, "contact": marked[0]})


def works_again(*, address: str, at: datetime) -> int:
    """A person wrote from that very address, so it is in use: its contacts' marks are gone; gives how many (D28)."""
    there = [pk for one in spellings(address) for pk in contacts_mailed_at(one).values_list("pk", flat=True)]
    return _unmark(there, until=at)


def mail_works(*, contact_id: int, seen_at: datetime) -> bool:
    """Somebody here knows that the address works: its mark is gone, until a mail comes back again (D28).

    ``seen_at`` is when the mark was made that they saw: a later one stays.
    """
    return bool(_unmark([contact_id], until=seen_at))


def _unmark(contact_ids: list[int], *, until: datetime) -> int:
    return Contact.objects.filter(pk__in=contact_ids, bounced_at__lte=until).update(bounced_at=None, bounce="")
