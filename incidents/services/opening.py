"""Opening an incident, or keeping the report as a draft where points are missing (R3, R4, R6, R12, D8, D9)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from incidents import mails
from incidents.access import current_releases
from incidents.models import (
    Channel,
    Direction,
    Disposition,
    Draft,
    Incident,
    IncidentCharge,
    IncidentClock,
    Kind,
    Message,
    MessageKind,
    OriginKind,
    Release,
    TimelineCode,
    Via,
)
from incidents.numbers import number_of
from incidents.services.common import KeyReused, Refused, TextMissing, TextTooLong, checked, has_files, note_step
from incidents.services.files import attach, move_files
from incidents.services.responding import Spoken, answer_by_call
from incidents.windows import kept_until
from points.models import Charge
from points.services import NotEnoughPoints, charge
from sla.models import ResponseClock
from sla.services import start_clock
from supportdesk.mail.models import RawMail
from supportdesk.people.models import Contact, Customer, Edition, User
from supportdesk.people.services import lock_customer
from supportdesk.policy import POLICY


class PhoneNotForCommunity(Refused):
    """Community Edition customers open e-mail incidents only (R4)."""


class ReleaseNotCurrent(Refused):
    """No incident is opened for a release that is not out yet or out of support (R12, D19)."""


class DraftGone(Refused):
    """The draft was discarded, or its 30 days are over (D8)."""


class DraftUnfinished(Refused):
    """A draft that was made of a mail has no kind or no release yet: somebody has to say them first (D27)."""


class OriginNotTheirs(Refused):
    """What it shall be reported anew from is no incident of this customer (D16)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What somebody reports: one problem (R9). Subject and text are kept as they are stored, without odd white space.

    ``origin_id`` is the closed incident that it is reported anew from (D16).

    Raises TextMissing, TextTooLong.
    """

    contact: Contact
    channel: str
    kind: str
    release_id: int
    subject: str
    text: str
    origin_id: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", checked(self.text))
        object.__setattr__(self, "subject", " ".join(self.subject.split()))
        if not self.subject:
            raise TextMissing
        if len(self.subject) > POLICY.subject_max:
            raise TextTooLong(length=len(self.subject))


@transaction.atomic
def open_incident(
    *,
    report: Report,
    at: datetime,
    key: str,
    via: str = Via.FORM,
    user: User | None = None,
    files: Collection[str] = (),
    spoken: Spoken | None = None,
    raw_mail: RawMail | None = None,
    html: str = "",
) -> Incident:
    """Opens an incident: number, charge, clock, first message, timeline and mail, all or nothing (R3).

    ``user`` is the technician who logs a call for the contact (D20); otherwise the contact's own sign-in acts.
    ``spoken`` was said during the call, and is the response (D11).

    ``files`` are tokens of the uploads of whoever of them acts (D31). ``raw_mail`` is the mail that it began with,
    ``html`` what that says, sanitised (D27).

    ``key`` was made before the first try: the same key with the same report gives the first incident back.

    Raises NotEnoughPoints, PhoneNotForCommunity, ReleaseNotCurrent, OriginNotTheirs, KeyReused, FileRefused; then
    nothing has changed.
    """
    customer = lock_customer(report.contact.customer_id)
    before = Incident.objects.filter(key=key).select_related("customer", "contact").first()
    if before is not None:
        # By key alone: a merge may have taken its messages to another incident (D35).
        first = Message.objects.get(key=f"open:{key}")
        if not _is_same(before, report, text=first.text) or not has_files(first, files):
            raise KeyReused
        said = Message.objects.filter(key=f"call:{key}").values_list("text", flat=True).first()
        if said != (spoken.text if spoken else None):
            raise KeyReused
        return before
    if report.channel == Channel.PHONE and customer.edition == Edition.COMMUNITY:
        raise PhoneNotForCommunity
    release = current_releases(at=at, zone=customer.zone).filter(pk=report.release_id).first()
    if release is None:
        raise ReleaseNotCurrent
    origin = _origin(report, customer)

    incident, paid, clock = begin(
        report=report,
        customer=customer,
        release=release,
        actor=user or report.contact.user,
        at=at,
        key=key,
        origin=origin,
        origin_kind=OriginKind.ANEW if origin else "",
    )
    message = Message.objects.create(
        incident=incident,
        kind=MessageKind.CUSTOMER,
        via=via,
        contact=report.contact,
        text=report.text,
        html=html,
        at=at,
        key=f"open:{key}",
        raw_mail=raw_mail,
    )
    attach(tokens=files, message=message, user=user, contact=report.contact)
    note_step(
        incident,
        TimelineCode.OPENED,
        at=at,
        user=user,
        contact=report.contact,
        data={"points": paid.points, "charge": paid.pk, "clock": clock.pk, "due": clock.due_at.isoformat()},
    )
    if origin is not None:
        for one, way, other in ((incident, "from", origin), (origin, "to", incident)):
            note_step(one, TimelineCode.REPORTED_ANEW, at=at, user=user, contact=report.contact, data={way: other.pk})
    call = None
    if spoken is not None:
        call = answer_by_call(
            incident, contact=report.contact, direction=Direction.IN, spoken=spoken, at=at, key=f"call:{key}"
        )
        incident.save()
    mail = mails.opened(incident, charge=paid, clock=clock, text=report.text, at=at, call=call)
    if mail is not None:
        note_step(incident, TimelineCode.NUMBER_MAILED, at=at, data={"mail": mail.pk})
    return incident


def begin(
    *,
    report: Report,
    customer: Customer,
    release: Release,
    actor: User | None,
    at: datetime,
    key: str,
    origin: Incident | None = None,
    origin_kind: str = "",
    owner: User | None = None,
) -> tuple[Incident, Charge, ResponseClock]:
    """What each incident begins with: number, charge, row, clock (R3, R6, D9). Messages and mails are the caller's.

    The caller holds the customer's lock, and asked whether the edition and the release allow it.
    Raises NotEnoughPoints, NoBusinessHours.
    """
    number = _next_number()
    paid = charge(
        customer_id=customer.pk,
        points=POLICY.points_for(report.channel),
        channel=report.channel,
        reference=number,
        at=at,
        actor=actor,
        key=f"open:{key}",
    )
    incident = Incident.objects.create(
        number=number,
        key=key,
        customer=customer,
        contact=report.contact,
        channel=report.channel,
        kind=report.kind,
        release=release,
        subject=report.subject,
        opened_at=at,
        last_at=at,
        owner=owner,
        disposition=Disposition.RECEIVED if report.kind == Kind.FEATURE else "",
        origin=origin,
        origin_kind=origin_kind,
    )
    clock = start_clock(place=customer.place, customer_id=customer.pk, at=at)
    IncidentCharge.objects.create(incident=incident, charge=paid)
    IncidentClock.objects.create(incident=incident, clock=clock)
    return incident, paid, clock


@transaction.atomic
def report_problem(*, report: Report, at: datetime, key: str, files: Collection[str] = ()) -> Incident | Draft:
    """Opens an incident, or keeps the report as a draft that says what is missing (D8): never loses it.

    What became a draft stays one when it is sent again, even if there are points by now: it opens by its
    own click. Raises what ``open_incident`` raises, but NotEnoughPoints.
    """
    lock_customer(report.contact.customer_id)
    if Draft.objects.filter(key=key, incident=None).exists():
        return keep_draft(report=report, at=at, key=key, files=files)
    try:
        return open_incident(report=report, at=at, key=key, files=files)
    except NotEnoughPoints:
        return keep_draft(report=report, at=at, key=key, files=files)


@transaction.atomic
def keep_draft(
    *,
    report: Report,
    at: datetime,
    key: str,
    files: Collection[str] = (),
    user: User | None = None,
    answer: str = "",
) -> Draft:
    """Keeps a report for 30 local days, with its files: no ticket number, no clock, no charge (D8).

    Of a call ``user`` took it, and ``answer`` is what they said, which counts once it is opened (D20).

    Raises KeyReused, FileRefused; then nothing has changed.
    """
    customer = lock_customer(report.contact.customer_id)
    draft, made = Draft.objects.get_or_create(
        key=key,
        defaults={
            "customer": customer,
            "contact": report.contact,
            "channel": report.channel,
            "kind": report.kind,
            "release_id": report.release_id,
            "subject": report.subject,
            "text": report.text,
            "logged_by": user,
            "answer": answer,
            "origin": _origin(report, customer),
            "created_at": at,
            "kept_until": kept_until(since=at, zone=customer.zone),
        },
    )
    gone = draft.discarded_at is not None or draft.kept_until <= at
    same = _is_same(draft, report, text=draft.text) and draft.answer == answer
    if made:
        attach(tokens=files, draft=draft, contact=report.contact)
    elif gone or not same or not has_files(draft, files):
        raise KeyReused
    return draft


@transaction.atomic
def open_draft(*, draft_id: int, at: datetime, files: Collection[str] = (), user: User | None = None) -> Incident:
    """Opens a draft as it stands, by one click after buying (D8). Twice gives the same incident.

    Its files go along; ``files`` are tokens of further uploads of its contact (D31). ``user`` is the technician who
    opens that of a call; what was said during it is the response (D20).

    Raises DraftGone, DraftUnfinished, and what ``open_incident`` raises.
    """
    lock_customer(Draft.objects.values_list("customer_id", flat=True).get(pk=draft_id))
    draft = Draft.objects.select_related("contact__customer", "contact__user", "incident", "raw_mail").get(pk=draft_id)
    taker = draft.logged_by
    if draft.incident is not None:
        opened = Message.objects.get(key=f"open:{draft.key}")
        if not set(files) <= set(opened.files.values_list("token", flat=True)):
            raise KeyReused
        return draft.incident
    if draft.discarded_at is not None or draft.kept_until <= at:
        raise DraftGone
    if draft.release_id is None or not draft.kind:
        raise DraftUnfinished
    began = Via.FORM if draft.raw_mail is None else Via.MAIL
    report = Report(
        contact=draft.contact,
        channel=draft.channel,
        kind=draft.kind,
        release_id=draft.release_id,
        subject=draft.subject,
        text=draft.text,
        origin_id=draft.origin_id,
    )
    draft.incident = open_incident(
        report=report,
        at=at,
        key=draft.key,
        via=began if taker is None else Via.PHONE,
        user=user,
        spoken=Spoken(by=taker, text=draft.answer) if taker is not None and draft.answer else None,
        raw_mail=draft.raw_mail,
        html=draft.html,
    )
    message = draft.incident.messages.get(key=f"open:{draft.key}")
    move_files(draft=draft, message=message)
    attach(tokens=files, message=message, contact=draft.contact)
    draft.save(update_fields=["incident"])
    return draft.incident


@transaction.atomic
def discard_draft(*, draft_id: int, at: datetime) -> bool:
    """Puts a draft away, and says whether it did: a draft that was opened meanwhile stays opened."""
    lock_customer(Draft.objects.values_list("customer_id", flat=True).get(pk=draft_id))
    return bool(Draft.objects.filter(pk=draft_id, incident=None, discarded_at=None).update(discarded_at=at))


def _is_same(before: Incident | Draft, report: Report, *, text: str) -> bool:
    """True where ``before`` was made of the same report."""
    made = (before.contact_id, before.channel, before.kind, before.release_id, before.subject, text, before.origin_id)
    return made == (
        report.contact.pk,
        report.channel,
        report.kind,
        report.release_id,
        report.subject,
        report.text,
        report.origin_id,
    )


def _origin(report: Report, customer: Customer) -> Incident | None:
    """The incident that it is reported anew from. Raises OriginNotTheirs."""
    if report.origin_id is None:
        return None
    origin = Incident.objects.filter(pk=report.origin_id, customer=customer).first()
    if origin is None:
        raise OriginNotTheirs
    return origin


def _next_number() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('incident_serial')")
        (serial,) = cursor.fetchone()
    return number_of(serial)
