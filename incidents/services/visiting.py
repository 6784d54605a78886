"""Reports of people who are not signed in: kept, a link mailed, opened by the one who has the link (D25)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from incidents import mails
from incidents.access import contacts_of_visit, visit_of
from incidents.models import Channel, Draft, Incident, VisitorReport
from incidents.services.common import KeyReused, Refused, checked
from incidents.services.opening import ReleaseNotCurrent, Report, keep_draft, report_problem
from supportdesk.mail.addresses import address_mark
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.services import lock_customer
from supportdesk.policy import POLICY

SWEPT_AT_ONCE = 1_000
HOUR = timedelta(hours=1)


class VisitGone(Refused):
    """There is no such link, or its time is over, or its address belongs to no contact any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a visitor reports; ``network`` is where from (D28). Raises TextMissing, TextTooLong."""

    email: str
    network: str
    kind: str
    release_id: int
    subject: str
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "email", self.email.strip().lower())
        object.__setattr__(self, "text", checked(self.text))
        object.__setattr__(self, "subject", " ".join(self.subject.split())[: POLICY.subject_max])


def digest_of(token: str) -> str:
    """What is kept of a link's token, and looked for."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def keep_visit(*, visit: Visit, at: datetime, key: str) -> VisitorReport | None:
    """Keeps a visitor's report and mails its link, or to an address of no contact how to become a customer (D25).

    The same rows and the same questions whoever it is: neither the answer nor the time tells who is a customer.
    None where the hour's budget of the address or the network is used up: then nothing is kept and no mail goes (D28).

    Raises KeyReused.
    """
    mark = address_mark(visit.email)
    with connection.cursor() as cursor:
        # Two at once must not both find that the budget has room; in one order, or they would wait for each other.
        for name in sorted([mark, f"network:{visit.network}"]):
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
    before = VisitorReport.objects.filter(key=key).first()
    if before is not None:
        if _content(before) != _content(visit):
            raise KeyReused
        return before
    if _budget_is_used(mark, visit.network, at=at):
        return None
    token = secrets.token_urlsafe(32)
    made = VisitorReport.objects.create(
        key=key,
        digest=digest_of(token),
        email=visit.email,
        network=visit.network,
        kind=visit.kind,
        release_id=visit.release_id,
        subject=visit.subject,
        text=visit.text,
        created_at=at,
        kept_until=at + timedelta(hours=POLICY.visitor_report_hours),
    )
    mails.visited(made, token=token, is_known=bool(contacts_of_visit(made)), about=mark, at=at)
    return made


@transaction.atomic
def open_visit(*, digest: str, contact_id: int, at: datetime) -> Incident | Draft:
    """Opens the report of a link as that contact's, or keeps it as a draft, where points are missing (R3, D8, D25).

    A release that is out of support by now makes a draft, too: another is chosen there (D19). A link opens one
    report, once: after that it gives what it made, whoever is asked for.

    Raises VisitGone.
    """
    visit = visit_of(digest)
    if visit is None:
        raise VisitGone
    contact = next((one for one in contacts_of_visit(visit) if one.pk == contact_id), None)
    if contact is None:
        raise VisitGone
    lock_customer(contact.customer_id)
    VisitorReport.objects.select_for_update(no_key=True).get(pk=visit.pk)
    visit = visit_of(digest)
    assert visit is not None
    made = what_became_of(visit)
    if made is not None:
        return made
    if visit.kept_until <= at:
        raise VisitGone
    report = Report(
        contact=contact,
        channel=Channel.EMAIL,
        kind=visit.kind,
        release_id=visit.release_id,
        subject=visit.subject,
        text=visit.text,
    )
    # Of the form's own key, with a word before it that no form can send.
    key = f"link:{visit.key}"
    try:
        made = report_problem(report=report, at=at, key=key)
    except ReleaseNotCurrent:
        made = keep_draft(report=report, at=at, key=key)
    if isinstance(made, Draft):
        visit.draft = made
    else:
        visit.incident = made
    visit.save(update_fields=["incident", "draft"])
    return made


def what_became_of(visit: VisitorReport) -> Incident | Draft | None:
    """The incident of a link that was followed, or the draft; None while it waits."""
    if visit.draft is not None and visit.draft.incident is not None:
        return visit.draft.incident
    return visit.incident or visit.draft


def sweep_visits(*, at: datetime) -> int:
    """Deletes reports by link some days after their time; what they became stays (D25, D34). Gives how many."""
    over = at - timedelta(days=POLICY.visitor_report_swept_days)
    due = VisitorReport.objects.filter(kept_until__lte=over).order_by("kept_until").values_list("pk", flat=True)
    return VisitorReport.objects.filter(pk__in=list(due[:SWEPT_AT_ONCE])).delete()[0]


def _content(of: Visit | VisitorReport) -> tuple[str, str, int, str, str]:
    return of.email, of.kind, of.release_id, of.subject, of.text


def _budget_is_used(mark: str, network: str, *, at: datetime) -> bool:
    """Whether the address has had its mails of the hour, or the network sent its reports (D28)."""
    since, most = at - HOUR, POLICY.unauthenticated_mails_an_hour
    mailed = OutgoingMail.objects.filter(about=mark, kind__in=mails.VISITED, queued_at__gt=since).count()
    sent = VisitorReport.objects.filter(network=network, created_at__gt=since).count()
    return mailed >= most or sent >= most
