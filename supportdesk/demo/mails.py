"""Loads the mails of the demo through the desk's own door for mails: stored as they come, then filed (D29)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Final

from django.conf import settings

from incidents.inbound import block_sender, file_mail
from incidents.models import Incident, MessageKind
from incidents.services.conversation import answer
from incidents.services.files import keep_upload
from supportdesk.demo import mailbox, sample_mails, writing
from supportdesk.demo.people import PEOPLE
from supportdesk.mail.build import build
from supportdesk.mail.incoming import store_raw
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import User

PICTURES: Final = Path(__file__).with_name("pictures")
NAME: Final = "0000000000000000-00000000"  # of a mail that lies in no folder
Before = Callable[[int], datetime]


def load(*, at: datetime, technician: User, before: Before) -> None:
    """Sends it all, once, the oldest first. ``before`` is so many business minutes ago where Isla is."""
    numbers = {
        "colours": _number(sample_mails.COLOURS),
        "migrate": _number(sample_mails.MIGRATE),
        "late": _number(sample_mails.LATE),
        "server": settings.MAIL_AUTHSERV_ID,
    }
    _colours(technician, before)
    _blocked, again = sample_mails.BLOCKED
    for row in sorted((sample_mails.BARE, *sample_mails.HELD, *sample_mails.BLOCKED), key=lambda row: -row[0]):
        if row is again:
            block_sender(address=row[1], user=technician, at=at - timedelta(minutes=row[0] + 1))
        _post(row, numbers, at)


def _colours(technician: User, before: Before) -> None:
    """Isla answers by mail, with a table, a picture and a file; Maya in Markdown, with code and a picture."""
    incident = Incident.objects.get(subject=sample_mails.COLOURS)
    ours = OutgoingMail.objects.filter(
        link__incident=incident, link__message__kind=MessageKind.ANSWER, to_address=sample_mails.ISLA
    ).latest("pk")
    picture = writing.Attached(
        name="grey-calendar.png",
        content_type="image/png",
        body=(PICTURES / "grey-calendar.png").read_bytes(),
        content_id=sample_mails.PICTURE_ID,
    )
    log = writing.Attached(name="sync-phone-3.log", content_type="text/plain", body=sample_mails.LOG.encode())
    reply = writing.answer(
        _as_received(ours),
        sender=sample_mails.ISLA,
        text=sample_mails.ISLA_TEXT,
        html=sample_mails.ISLA_HTML,
        at=before(320),
        program="gmail",
        files=(picture, log),
    )
    _arrive(reply, at=before(320))
    shot = "category-setting.png"
    kept = keep_upload(name=shot, chunks=[(PICTURES / shot).read_bytes()], at=before(125), user=technician)
    answer(
        incident_id=incident.pk,
        text=sample_mails.MAYA_ANSWER.replace("{picture}", kept.digest[:16]),
        then="waiting",
        user=technician,
        at=before(120),
        key="demo-mail-answer",
        files=[kept.token],
    )


def _as_received(ours: OutgoingMail) -> mailbox.Mail:
    """The desk's mail as it lies in its reader's mailbox."""
    raw = bytes(build(ours, from_name=f"{settings.DESK_NAME} support", from_address=settings.MAIL_FROM))
    return mailbox.parse(f"Delivered-To: {ours.to_address}\r\n".encode() + raw, name=NAME)


def _post(row: tuple[int, str, Mapping[str, str], str, str], numbers: Mapping[str, str], at: datetime) -> None:
    minutes, sender, headers, subject, text = row
    sent = at - timedelta(minutes=minutes)
    mail = writing.write(
        sender=sender,
        to=settings.MAIL_FROM,
        subject=subject.format(**numbers),
        text=text.format(**numbers),
        at=sent,
        name=next((name for name, address in PEOPLE if address == sender), ""),
    )
    for header, value in headers.items():
        mail[header] = value.format(**numbers)
    _arrive(mail, at=sent)


def _arrive(mail: EmailMessage, *, at: datetime) -> None:
    sender = str(mail["From"].addresses[0].addr_spec)
    # As programs do, it lies in its writer's mailbox, too.
    mailbox.store(Path(settings.DESK_HOME) / "mailbox", bytes(mail), [], sender, sent_by=sender)
    raw, _is_new = store_raw(
        source=bytes(mail),
        mail_from=sender,
        rcpt_to=[str(mail["To"])],
        at=at,
        via="smtp",
    )
    file_mail(raw_id=raw.pk, at=at)


def _number(subject: str) -> str:
    return Incident.objects.get(subject=subject).shown_number
