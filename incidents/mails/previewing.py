"""What the mail of an answer will be, before it is sent (D38)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from incidents.mails.carrying import Carried, carried
from incidents.mails.sending import readers, subject_for, words_of
from incidents.models import Attachment, Incident, Message, MessageKind, Via
from incidents.statuses import Status
from incidents.windows import reopen_until
from supportdesk.mail.render import Seen, preview_mail
from supportdesk.people.models import Contact, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A mail that is not sent yet: to whom, what it says, and what goes along with it."""

    to: tuple[Contact, ...]
    mail: Seen
    carried: Carried


def preview_answer(
    incident: Incident,
    *,
    text: str,
    files: Sequence[Attachment],
    then: str,
    user: User,
    at: datetime,
    leave_out: Collection[int],
    address: Callable[[Attachment], str],
) -> Preview:
    """The mail to the incident's contact; ``address`` is where its pictures are seen meanwhile. Nothing is written."""
    said = carried(text, files, address=address)
    message = None
    if text:
        message = Message(incident=incident, kind=MessageKind.ANSWER, via=Via.DESK, user=user, text=text, at=at)
    to = tuple(reader for reader in readers(incident) if reader.pk not in leave_out)
    reader = to[0] if to else incident.contact
    closes = then == Status.CLOSED
    until = reopen_until(first_closed_at=incident.first_closed_at or at, zone=incident.customer.zone)
    seen = preview_mail(
        "incident_closed" if closes else "incident_answered",
        words_of(incident, to=reader, at=at, message=message, said=said)
        | {"reopen_until": until, "others": max(len(to) - 1, 0), "follows": reader.pk != incident.contact_id},
    )
    subject = subject_for(seen.subject, incident, to=reader)
    return Preview(to=to, mail=Seen(subject=subject, body=seen.body), carried=said)
