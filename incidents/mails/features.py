"""Mails about what becomes of a feature request (D18)."""

from __future__ import annotations

from datetime import datetime

from incidents.mails.sending import tell
from incidents.models import Incident, Message
from supportdesk.mail.models import OutgoingMail


def disposed(incident: Incident, *, message: Message | None, key: str, at: datetime) -> list[OutgoingMail]:
    """What becomes of it, in the technician's words where there are some."""
    return tell("disposed", incident, at=at, key=f"disposed:{incident.pk}:{key}", message=message)
