"""One desk on which every mail of an incident is sent once, in conversations as people have them."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta

from incidents.models import Attachment, Channel, Incident, Kind
from incidents.services import calls, conversation, disposing, following, lapsing, reopening, silence, splitting
from incidents.services.files import keep_upload
from supportdesk.mail.models import OutgoingMail
from supportdesk.markup import reference
from supportdesk.people.models import Contact
from tests.cast import Cast
from tests.incidents.crediting import decide, marked
from tests.incidents.ending import closed_by, declined, taken_back, wrote
from tests.incidents.merging import a_duplicate, merge, unmerge
from tests.incidents.splitting import divided
from tests.incidents.told import a_mate
from tests.incidents_helpers import a_report, again, answered, key, mailed, opened, with_points

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def a_png(width: int, height: int) -> bytes:
    """A picture of grey stripes: of as many pixels as it shall be seen with."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    lines = b"".join(b"\0" + bytes([180 if (x + y) // 16 % 2 else 220 for x in range(width)]) for y in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


PNG = a_png(900, 200)
ANSWER = """Hello Olive,

thank you, that narrows it down. Sync reads its **own** copy of the zone table, and 12.3 leaves the old one beside it.

Please run this on the *Sync* host, then send yourself an invitation:

```
quillmark sync zones --rebuild --only 2026b
systemctl restart quillmark-sync
```

1. Look at https://www.quillmark.example/docs/zones first.
2. If a line says `stale`, delete it:

> zone 17: stale

| Release | Table |
|---------|-------|
| 12.2    | 2025c |
| 12.3    | 2026b |

![The setting](file:{picture})
"""


def picture_of(cast: Cast, *, at: datetime, name: str = "setting.png", body: bytes = PNG) -> Attachment:
    return keep_upload(name=name, chunks=[body], at=at, user=cast.technician)


def long_way(cast: Cast, mate: Contact, *, at: datetime) -> Incident:
    """From the report to a re-opening: people and the desk in turns, by mail and by phone."""
    incident = opened(cast.owner, at=at, points=300, subject="Invitations arrive one hour late after 12.3")
    following.add_follower(incident_id=incident.pk, contact_id=mate.pk, user=cast.technician, at=at + HOUR / 4)
    shot = picture_of(cast, at=at)
    log = keep_upload(name="zones.log", chunks=[b"zone 17: stale\n"], at=at, user=cast.technician)
    conversation.answer(
        incident_id=incident.pk,
        text=ANSWER.replace("{picture}", reference(shot.digest)),
        then="waiting",
        user=cast.technician,
        at=at + HOUR / 2,
        key=key(),
        files=[shot.token, log.token],
    )
    replied(cast.owner, at=at + HOUR)
    calls.log_call(
        incident_id=incident.pk,
        contact=cast.owner,
        direction="out",
        text="Keep-alive was off; now it is **on**.",
        user=cast.technician,
        at=at + 2 * HOUR,
        key=key(),
        mail=True,
    )
    answered(incident, cast.technician, at=at + 3 * HOUR, then="closed", text="Then it is solved.")
    wrote(cast.owner, incident, at=at + 4 * HOUR, text="It is back.")
    reopening.refuse(
        incident_id=incident.pk, reason="This is *search*.", user=cast.technician, at=at + 5 * HOUR, key=key()
    )
    replied(mate, at=at + 6 * HOUR)
    reopening.accept(incident_id=incident.pk, user=cast.technician, at=at + 7 * HOUR)
    answered(incident, cast.technician, at=at + 8 * HOUR, then="closed", text="Now, too.")
    taken_back(incident, cast.technician, at=at + 8.5 * HOUR)
    case = marked(incident, cast, at=at + 9 * HOUR)
    decide(case, cast, at=at + 10 * HOUR)
    closed_by(cast.owner, incident, at=at + 11 * HOUR)
    return again(incident)


def replied(contact: Contact, *, at: datetime) -> None:
    """An answer from the contact's mail program to the latest mail that they have."""
    last = OutgoingMail.objects.filter(to_address=contact.email).latest("id")
    mailed(
        at=at,
        sender=contact.email,
        mail_from=contact.email,
        to=last.reply_to,
        subject=last.subject if last.subject.startswith("Re: ") else f"Re: {last.subject}",
        text="Thank you, here it is.",
        In_Reply_To=last.message_id,
        References=f"{last.references} {last.message_id}".strip(),
    )


def other_ways(cast: Cast, *, at: datetime) -> list[Incident]:
    """All the other mails: splits, merges, silence, a decline, a feature request, what comes too late."""
    elsewhere = cast.stranger
    whole = opened(cast.owner, at=at, subject="Several things at once")
    divided(whole, cast.technician, at=at + HOUR)
    source, target = a_duplicate(cast, at=at)
    merge(source, target, cast, at=at + 2 * HOUR)
    unmerge(source, cast, at=at + 3 * HOUR)
    quiet = opened(cast.owner, at=at, subject="It became quiet")
    answered(quiet, cast.technician, at=at + HOUR)
    tuned = opened(cast.owner, at=at, subject="Make it faster")
    declined(tuned, cast.technician, at=at + HOUR)
    wished = opened(cast.owner, at=at, subject="A dark theme", kind=Kind.FEATURE)
    disposing.dispose(
        incident_id=wished.pk,
        disposition="planned",
        text="It comes with **12.4**.",
        user=cast.technician,
        at=at + HOUR,
        key=key(),
    )
    poor = opened(elsewhere, at=at, subject="Too poor to be divided")
    divided(poor, cast.technician, "First", "Second", at=at + HOUR)
    dropped = opened(elsewhere, at=at, points=10, subject="Left whole")
    splitting.withdraw_proposal(
        proposal_id=divided(dropped, cast.technician, "One", "Two", at=at + HOUR).pk, user=cast.technician, at=at + DAY
    )
    twin, stays = (opened(elsewhere, at=at, subject=subject) for subject in ("It stops", "It stops at night"))
    merge(twin, stays, cast, at=at + 2 * HOUR)
    opened(elsewhere, at=at + 2 * HOUR, points=0, subject="What came back is spent")
    unmerge(twin, cast, at=at + 3 * HOUR)
    for days in range(7, 40):
        silence.remind_and_close(at=at + days * DAY)
        lapsing.warn_and_lapse(at=at + days * DAY)
    wrote(cast.owner, quiet, at=at + 200 * DAY)
    return [whole, source, target, quiet, tuned, wished, poor, dropped, twin, stays]


def walked(cast: Cast, *, at: datetime) -> list[Incident]:
    """All of it; a phone incident, too."""
    mate = a_mate(cast.acme)
    with_points(cast.acme, 30, at=at)
    phoned = calls.open_by_phone(
        report=a_report(cast.owner, channel=Channel.PHONE, subject="The proxy drops the session"),
        answered_text="Set the timeout to an *hour*.",
        user=cast.technician,
        at=at,
        key=key(),
    )
    assert isinstance(phoned, Incident)
    return [long_way(cast, mate, at=at), phoned, *other_ways(cast, at=at)]
