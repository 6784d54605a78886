"""The only source of incidents for pages and API (D21, D22): what a scope does not reach is not there."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Prefetch, Q, QuerySet

from incidents.cases import CaseState, CreditCase
from incidents.models import (
    Attachment,
    Draft,
    HeldMail,
    Incident,
    Message,
    MessageKind,
    Proposal,
    Release,
    TimelineCode,
    TimelineEntry,
)
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.scope import Scope

# Steps of the house: who took it, notes, warnings. Customers see none of them (D22).
INSIDE_CODES = (
    TimelineCode.TAKEN,
    TimelineCode.HANDED_OVER,
    TimelineCode.NOTED,
    TimelineCode.WARNED,
    TimelineCode.BREACHED,
)
# Notes stay on the desk, and so does automatic mail: nobody vouches for who sent it (D22, D28).
INSIDE_KINDS = (MessageKind.NOTE, MessageKind.AUTOMATIC)


def incidents_for(scope: Scope) -> QuerySet[Incident]:
    """All for the desk; a customer's own for its contacts; their own only for a restricted contact (D21)."""
    if scope.desk:
        return Incident.objects.all()
    return Incident.objects.filter(Q(customer_id__in=scope.full_customer_ids) | Q(contact_id__in=scope.contact_ids))


def messages_for(scope: Scope, incident: Incident) -> QuerySet[Message]:
    """The conversation of an incident that the scope may see (D22)."""
    messages = Message.objects.filter(incident=incident, incident__in=incidents_for(scope))
    if not scope.desk:
        messages = messages.exclude(kind__in=INSIDE_KINDS)
        return messages.select_related("contact", "user")
    sent = OutgoingMail.objects.only("to_address", "sent_at", "failed_at")
    return messages.select_related("contact", "user").prefetch_related(Prefetch("mails__mail", queryset=sent))


def timeline_for(scope: Scope, incident: Incident) -> QuerySet[TimelineEntry]:
    """The steps of an incident that the scope may see (D22)."""
    entries = TimelineEntry.objects.filter(incident=incident, incident__in=incidents_for(scope))
    if not scope.desk:
        entries = entries.exclude(code__in=INSIDE_CODES)
    return entries.select_related("user", "contact", "incident__customer")


def drafts_for(scope: Scope, *, at: datetime) -> QuerySet[Draft]:
    """Drafts that are still to be sent: a contact's own, or their customer's (D8)."""
    return _drafts(scope).filter(incident=None, discarded_at=None, kept_until__gt=at)


def opened_drafts_for(scope: Scope) -> QuerySet[Draft]:
    """Drafts that became incidents, so that an old link to one still leads somewhere (D8)."""
    return _drafts(scope).filter(incident__isnull=False)


def _drafts(scope: Scope) -> QuerySet[Draft]:
    if scope.desk:
        return Draft.objects.all()
    return Draft.objects.filter(Q(customer_id__in=scope.full_customer_ids) | Q(contact_id__in=scope.contact_ids))


def attachments_for(scope: Scope, *, at: datetime) -> QuerySet[Attachment]:
    """Files of the messages and drafts that the scope may see, and its own uploads that wait (D22, D31)."""
    messages = Message.objects.filter(incident__in=incidents_for(scope))
    if not scope.desk:
        messages = messages.exclude(kind__in=INSIDE_KINDS)
    seen = Q(message__in=messages) | Q(draft__in=drafts_for(scope, at=at))
    return Attachment.objects.filter(seen) | uploads_of(scope)


def uploads_of(scope: Scope) -> QuerySet[Attachment]:
    """Files that somebody uploaded and has sent with nothing yet: nobody else sees them (D31)."""
    waiting = Attachment.objects.filter(message=None, draft=None)
    return waiting.none() if scope.user_id is None else waiting.filter(user_id=scope.user_id)


def proposals_for(scope: Scope, *, at: datetime) -> QuerySet[Proposal]:
    """What waits for points on the incidents that the scope may see, oldest first (D8, D14)."""
    waiting = Proposal.objects.filter(state=Proposal.State.WAITING, kept_until__gt=at)
    # The desk sees every incident: a subquery that says so would only cost.
    seen = waiting if scope.desk else waiting.filter(incident__in=incidents_for(scope))
    return seen.select_related("incident__customer", "made_by").order_by("made_at", "pk")


def copyable(scope: Scope, incident: Incident) -> QuerySet[Message]:
    """The messages that a split may copy, with their files: no automatic mail, for nobody vouches for it (D14, D28)."""
    messages = messages_for(scope, incident).exclude(kind=MessageKind.AUTOMATIC)
    return messages.prefetch_related("files").order_by("at", "pk")


def current_releases(*, at: datetime, zone: str) -> QuerySet[Release]:
    """Releases that an incident may be opened for, on the local day of ``at`` in the customer's zone (R12, D19)."""
    day = at.astimezone(ZoneInfo(zone)).date()
    return (
        Release.objects.filter(released_on__lte=day)
        .filter(Q(supported_until=None) | Q(supported_until__gte=day))
        .select_related("product")
    )


def held_for(scope: Scope) -> QuerySet[HeldMail]:
    """Held mail that nobody has settled, oldest first; for the desk only (D26)."""
    held = HeldMail.objects.filter(settled_at=None).select_related("incident")
    return held if scope.desk else held.none()


def cases_for(scope: Scope) -> QuerySet[CreditCase]:
    """Product failures of the incidents that the scope may see, oldest first (D17)."""
    cases = CreditCase.objects.select_related("incident", "charge", "marked_by", "determined_by", "chosen_by")
    # The desk sees every incident: a subquery that says so would only cost.
    return cases if scope.desk else cases.filter(incident__in=incidents_for(scope))


def cases_to_determine(scope: Scope) -> QuerySet[CreditCase]:
    """Those that an admin has to determine; none for anybody else (D17, D22)."""
    cases = CreditCase.objects.exclude(state=CaseState.DETERMINED)
    return cases if scope.admin else cases.none()
