"""The only source of incidents for pages and API (D21, D22): what a scope does not reach is not there."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import BigIntegerField, F, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from incidents.cases import CaseState, CreditCase
from incidents.models import (
    Attachment,
    BlockedSender,
    Draft,
    Follower,
    HeldMail,
    Incident,
    IncidentMail,
    Message,
    MessageKind,
    Notice,
    Product,
    Proposal,
    Release,
    Settled,
    TimelineCode,
    TimelineEntry,
    VisitorReport,
)
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.people.access import contacts_mailed_at, staff_has_email
from supportdesk.people.models import Contact
from supportdesk.people.scope import Scope

# Steps of the house: who took it, notes, warnings. Customers see none of them (D22).
INSIDE_CODES = (
    TimelineCode.TAKEN,
    TimelineCode.HANDED_OVER,
    TimelineCode.NOTED,
    TimelineCode.WARNED,
    TimelineCode.BREACHED,
    TimelineCode.MAIL_BOUNCED,
)
# Notes stay on the desk, and so does automatic mail: nobody vouches for who sent it (D22, D28).
INSIDE_KINDS = (MessageKind.NOTE, MessageKind.AUTOMATIC)
# What became of a mail that went out.
DELIVERY = (
    "to_address",
    "queued_at",
    "tries",
    "next_try_at",
    "last_error",
    "sent_at",
    "failed_at",
    "bounced_at",
    "bounce",
)
# Steps that tell what an incident costs or gave back: not for who only follows it (D21, D38).
COST_CODES = (
    TimelineCode.SPLIT_PROPOSED,
    TimelineCode.BUG_ASKED,
    TimelineCode.BUG_CHOSEN,
    TimelineCode.BUG_SILENCE,
    TimelineCode.BUG_CREDITED,
    TimelineCode.BUG_REFUNDED,
    TimelineCode.REFUND_DONE,
    TimelineCode.REFUND_FAILED,
    TimelineCode.BUG_REFUSED,
    TimelineCode.SPLIT_PROPOSED,
)


def incidents_for(scope: Scope) -> QuerySet[Incident]:
    """All for the desk; a customer's own for its contacts; for a restricted contact their own, and what they follow.

    (D21, D38)
    """
    if scope.desk:
        return Incident.objects.all()
    reach = Q(customer_id__in=scope.full_customer_ids) | Q(contact_id__in=scope.contact_ids)
    if scope.restricted_contact_ids:
        reach |= Q(pk__in=_followed(scope.restricted_contact_ids).values("incident_id"))
    return Incident.objects.filter(reach)


def _followed(contact_ids: tuple[int, ...]) -> QuerySet[Follower]:
    """What these contacts follow; a row that ties an incident to another customer's contact opens nothing (D22)."""
    return Follower.objects.filter(
        contact_id__in=contact_ids, removed_at=None, incident__customer_id=F("contact__customer_id")
    )


def pays_for(scope: Scope, incident: Incident) -> bool:
    """True where they see what the incident costs and gives back, and decide on it.

    Not for a restricted contact who only follows it: following is getting its mails and answering (D21, D38).
    """
    return scope.desk or incident.customer_id in scope.full_customer_ids or incident.contact_id in scope.contact_ids


def followers_for(scope: Scope, incident: Incident) -> QuerySet[Follower]:
    """Who follows an incident, for whoever sees it: by name, for they read along (D38)."""
    present = Follower.objects.filter(incident=incident, incident__in=incidents_for(scope), removed_at=None)
    return present.filter(contact__removed_at=None).select_related("contact")


def messages_for(scope: Scope, incident: Incident) -> QuerySet[Message]:
    """The conversation of an incident that the scope may see (D22)."""
    messages = Message.objects.filter(incident=incident, incident__in=incidents_for(scope))
    # Who put a mail there that was held, and from what address it came: read by all who see it (D26).
    held = HeldMail.objects.filter(raw_mail=OuterRef("raw_mail"), settled_as=Settled.ATTACHED)
    messages = messages.annotate(
        attached_by=Subquery(held.values("settled_by__name")), attached_from=Subquery(held.values("sender"))
    )
    if not scope.desk:
        messages = messages.exclude(kind__in=INSIDE_KINDS)
        return messages.select_related("contact", "user")
    # Not what they say: a long conversation has thousands of them.
    sent = OutgoingMail.objects.only(*DELIVERY)
    # A copy in a split's part came by the mail that its original came by.
    messages = messages.annotate(original_id=Coalesce("raw_mail_id", "copied_from__raw_mail_id"))
    return messages.select_related("contact", "user").prefetch_related(Prefetch("mails__mail", queryset=sent))


def mails_for(scope: Scope, incident: Incident) -> QuerySet[IncidentMail]:
    """The mails that left for an incident; for the desk only (D22, D30)."""
    of_it = Q(incident=incident) | Q(message__incident=incident)  # a merge moves the message, not its mail (D35)
    mails = IncidentMail.objects.filter(of_it).select_related("incident__customer", "mail", "contact")
    return mails if scope.desk else mails.none()


def timeline_for(scope: Scope, incident: Incident) -> QuerySet[TimelineEntry]:
    """The steps of an incident that the scope may see (D22)."""
    entries = TimelineEntry.objects.filter(incident=incident, incident__in=incidents_for(scope))
    if not scope.desk:
        entries = entries.exclude(code__in=INSIDE_CODES)
    if not pays_for(scope, incident):
        entries = entries.exclude(code__in=COST_CODES)
    # Steps keep ids alone; whom one is about besides its actor is read with it.
    whom = Contact.objects.filter(pk=OuterRef("whom_id")).values("name")
    return entries.annotate(
        whom_id=Cast(Coalesce(KT("data__follower"), KT("data__reader")), BigIntegerField()), whom=Subquery(whom)
    ).select_related("user", "contact", "incident__customer")


def as_followed(step: TimelineEntry) -> TimelineEntry:
    """The step as a restricted contact reads it who only follows the incident (D21, D38).

    Nothing of what it cost or gave back, and no ticket numbers of a split's parts, which they do not see.
    """
    step.data = {**step.data, **{name: 0 for name in ("points", "back") if name in step.data}}
    if step.code == TimelineCode.SPLIT:
        step.data["numbers"] = []
    return step


def drafts_for(scope: Scope, *, at: datetime) -> QuerySet[Draft]:
    """Drafts that are still to be sent: a contact's own, or their customer's (D8).

    One of a mail is its writer's alone until they have said what it is about, and so of which customer (D21, D27).
    """
    return _drafts(scope).filter(incident=None, discarded_at=None, kept_until__gt=at)


def opened_drafts_for(scope: Scope) -> QuerySet[Draft]:
    """Drafts that became incidents, so that an old link to one still leads somewhere (D8)."""
    return _drafts(scope).filter(incident__isnull=False)


def every_draft_for(scope: Scope) -> QuerySet[Draft]:
    """Discarded ones, lapsed ones and opened ones as well: whether one is brought back is its service's to say (D8)."""
    return _drafts(scope)


def _drafts(scope: Scope) -> QuerySet[Draft]:
    if scope.desk:
        return Draft.objects.all()
    theirs = Q(customer_id__in=scope.full_customer_ids) & ~Q(kind="")
    return Draft.objects.filter(theirs | Q(contact_id__in=scope.contact_ids))


def attachments_for(scope: Scope, *, at: datetime) -> QuerySet[Attachment]:
    """Files of the messages and drafts that the scope may see, and its own uploads that wait (D22, D31)."""
    messages = Message.objects.filter(incident__in=incidents_for(scope))
    if not scope.desk:
        messages = messages.exclude(kind__in=INSIDE_KINDS)
    seen = Q(message__in=messages) | Q(draft__in=drafts_for(scope, at=at))
    return Attachment.objects.filter(seen) | uploads_of(scope)


def written_for(scope: Scope) -> QuerySet[Message]:
    """Messages of mails whose HTML the scope may see as it was written, with their files (D22, D31)."""
    messages = Message.objects.exclude(html="").filter(incident__in=incidents_for(scope))
    if not scope.desk:
        messages = messages.exclude(kind__in=INSIDE_KINDS)
    return messages.prefetch_related("files")


def originals_for(scope: Scope) -> QuerySet[RawMail]:
    """Mails as they came in: for the desk alone, for they hold what nobody vouches for (D22, D29)."""
    return RawMail.objects.all() if scope.desk else RawMail.objects.none()


def mails_in_for(scope: Scope, raw: RawMail) -> dict[str, Any]:
    """Where a mail that came in has gone: its message, its place among the held, its draft; for the desk (D26, D29)."""
    if not scope.desk:
        return {}
    held = HeldMail.objects.filter(raw_mail=raw).select_related("incident", "attached_to", "settled_by")
    return {
        "message": Message.objects.filter(raw_mail=raw).select_related("incident").defer("html").first(),
        "held": held.first(),
        "draft": Draft.objects.filter(raw_mail=raw).first(),
    }


def uploads_of(scope: Scope) -> QuerySet[Attachment]:
    """Files that somebody uploaded and has sent with nothing yet: nobody else sees them (D31)."""
    waiting = Attachment.objects.filter(message=None, draft=None)
    return waiting.none() if scope.user_id is None else waiting.filter(user_id=scope.user_id)


def proposals_for(scope: Scope) -> QuerySet[Proposal]:
    """What was proposed, waits or is settled, on the incidents that the scope may see, oldest first (D8, D14)."""
    proposals = Proposal.objects.select_related("incident__customer", "made_by").order_by("made_at", "pk")
    # The desk sees every incident: a subquery that says so would only cost.
    return proposals if scope.desk else proposals.filter(incident__in=incidents_for(scope))


def proposals_waiting(scope: Scope, *, at: datetime) -> QuerySet[Proposal]:
    """What waits for points: by the clock, whether a job has run or not (D8)."""
    return proposals_for(scope).filter(state=Proposal.State.WAITING, kept_until__gt=at)


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


def releases_of_today(*, at: datetime) -> QuerySet[Release]:
    """Releases that are current anywhere on earth: for a visitor, whose local day nobody knows yet (D19, D25)."""
    first, last = (at.astimezone(timezone(timedelta(hours=hours))).date() for hours in (-12, 14))
    return (
        Release.objects.filter(released_on__lte=last)
        .filter(Q(supported_until=None) | Q(supported_until__gte=first))
        .select_related("product")
    )


def products() -> QuerySet[Product]:
    """All that the vendor supports, by name; whether a release of it is current is asked besides (R12)."""
    return Product.objects.all()


def visit_of(digest: str) -> VisitorReport | None:
    """The report that a link leads to, by the digest of its token: who has the link is its reader (D25)."""
    found = VisitorReport.objects.filter(digest=digest)
    return found.select_related("release__product", "incident", "draft__incident").first()


def contacts_of_visit(visit: VisitorReport) -> list[Contact]:
    """Whose the report may become: the present contacts with that address, none where it is one of staff (D25)."""
    found = list(contacts_mailed_at(visit.email).select_related("customer", "user").order_by("customer__name", "pk"))
    # Both are asked whatever the first one says: the time taken tells nothing.
    return [] if staff_has_email(visit.email) else found


def held_for(scope: Scope) -> QuerySet[HeldMail]:
    """Held mail that nobody has settled, oldest first; for the desk only (D26)."""
    return every_held_for(scope).filter(settled_at=None)


def settled_for(scope: Scope) -> QuerySet[HeldMail]:
    """Held mail of which something became; for the desk only (D26)."""
    return every_held_for(scope).exclude(settled_at=None)


def every_held_for(scope: Scope) -> QuerySet[HeldMail]:
    """Held mail, settled or not; for the desk only (D26)."""
    held = HeldMail.objects.select_related("incident")
    return held if scope.desk else held.none()


def blocked_for(scope: Scope) -> QuerySet[BlockedSender]:
    """Senders whose mail is put away unseen; for the desk only (D26)."""
    blocked = BlockedSender.objects.select_related("blocked_by")
    return blocked if scope.desk else blocked.none()


def cases_for(scope: Scope) -> QuerySet[CreditCase]:
    """Product failures whose charge the scope may see come back, oldest first (D17, D21)."""
    cases = CreditCase.objects.select_related("incident", "charge", "marked_by", "determined_by", "chosen_by")
    # The desk sees every incident: a subquery that says so would only cost.
    if scope.desk:
        return cases
    return cases.filter(
        Q(incident__customer_id__in=scope.full_customer_ids) | Q(incident__contact_id__in=scope.contact_ids)
    )


def cases_to_determine(scope: Scope) -> QuerySet[CreditCase]:
    """Those that an admin has to determine; none for anybody else (D17, D22)."""
    cases = CreditCase.objects.exclude(state=CaseState.DETERMINED)
    return cases if scope.admin else cases.none()


def notices_for(scope: Scope) -> QuerySet[Notice]:
    """One's own notices, newest first; none for who does not work here (D39)."""
    if not scope.desk or scope.user_id is None:
        return Notice.objects.none()
    return Notice.objects.filter(user_id=scope.user_id).select_related("incident__customer")
