"""What a call asks of the desk: who is calling, what is open with them, which drafts wait for points (D8, D20)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import F, Q, QuerySet

from incidents.access import drafts_for, incidents_for
from incidents.models import Channel, Draft, Incident, IncidentClock
from incidents.numbers import is_number, typed
from incidents.queries import Standing
from incidents.queue import There, hand_of, there_of
from incidents.statuses import UNFINISHED
from points.queries import balances
from sla.calendars import current_calendars
from supportdesk.people.access import contacts_for
from supportdesk.people.finding import Found, find_people
from supportdesk.people.models import Contact, Customer
from supportdesk.people.scope import Scope
from supportdesk.policy import POLICY

OPEN_ROWS: Final = 20
CLOSED_ROWS: Final = 3
DRAFT_ROWS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who may be calling, and whether it is business hours where they are."""

    contact: Contact
    there: There


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Who was found, the best first; ``incident`` is that of a ticket number that was given."""

    rows: tuple[Caller, ...]
    more: bool
    customers: tuple[Customer, ...]
    incident: Incident | None

    @property
    def only(self) -> Contact | None:
        """The one who was found, where it is one, and nothing else was meant."""
        several = len(self.rows) != 1 or any(one.pk != self.rows[0].contact.customer_id for one in self.customers)
        return None if several or self.incident else self.rows[0].contact


def callers(scope: Scope, text: str, *, at: datetime) -> Callers:
    """Who may be calling, by whatever was typed (D20); the same few queries whatever is found."""
    number = typed(text[:100])
    incident = None
    if is_number(number) and number == "".join(one for one in text if one.isalnum()):
        seen = incidents_for(scope).select_related("contact__customer")
        incident = seen.filter(number=number).first()
    named = [incident.contact] if incident is not None and incident.contact.removed_at is None else []
    return _callers(find_people(scope, text, named=named), incident=incident, at=at)


def callers_at(contacts: list[Contact], *, at: datetime) -> Callers:
    """The same of contacts that are known: those who share a number."""
    return Callers(rows=_rows(contacts, at=at), more=False, customers=(), incident=None)


def _callers(found: Found, *, incident: Incident | None, at: datetime) -> Callers:
    people = [hit.contact for hit in found.hits]
    return Callers(rows=_rows(people, at=at), more=found.more, customers=found.customers, incident=incident)


def _rows(contacts: list[Contact], *, at: datetime) -> tuple[Caller, ...]:
    calendars = current_calendars()
    return tuple(Caller(contact=one, there=there_of(one.customer, at=at, calendars=calendars)) for one in contacts)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWith:
    """An incident of the caller's customer; ``theirs`` where the caller may see it (D21)."""

    line: Standing
    theirs: bool


def open_with(scope: Scope, contact: Contact, *, at: datetime) -> list[OpenWith]:
    """What is open with the caller's customer, the next deadline first."""
    mine = incidents_for(scope).filter(customer=contact.customer_id)
    wanted = mine.filter(Q(status__in=UNFINISHED) | Q(reopen_asked_at__isnull=False))
    links = IncidentClock.objects.filter(current=True, incident__in=wanted)
    links = links.select_related("clock", "incident").order_by(
        F("clock__ended_at").asc(nulls_first=True), "clock__due_at", "pk"
    )
    calendars = current_calendars()
    return [
        OpenWith(
            line=Standing(
                incident=link.incident, hand=hand_of(link, at=at, calendars=calendars), due_at=link.clock.due_at
            ),
            theirs=not contact.restricted or link.incident.contact_id == contact.pk,
        )
        for link in links[:OPEN_ROWS]
    ]


def closed_with(scope: Scope, contact: Contact) -> QuerySet[Incident]:
    """What was closed with the caller last, for those who call because it is back (D16)."""
    mine = incidents_for(scope).filter(customer=contact.customer_id, reopen_asked_at=None)
    mine = mine.exclude(status__in=UNFINISHED)
    return (mine.filter(contact=contact) if contact.restricted else mine).order_by("-closed_at")[:CLOSED_ROWS]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDraft:
    """A call that is not opened yet, and what is missing."""

    draft: Draft
    on_hand: int

    @property
    def price(self) -> int:
        return POLICY.points_for(self.draft.channel)

    @property
    def short_by(self) -> int:
        return max(0, self.price - self.on_hand)


def phone_drafts(scope: Scope, *, at: datetime, customer: Customer | None = None) -> list[WaitingDraft]:
    """Calls that wait for points, the oldest first, with the points there are now (D8, D20)."""
    drafts = drafts_for(scope, at=at).filter(channel=Channel.PHONE)
    if customer is not None:
        drafts = drafts.filter(customer=customer)
    drafts = drafts.select_related("customer", "contact", "logged_by", "release__product").order_by("created_at", "pk")
    found = list(drafts[:DRAFT_ROWS])
    points = balances([draft.customer_id for draft in found], at=at)
    return [WaitingDraft(draft=draft, on_hand=points.get(draft.customer_id, 0)) for draft in found]


def who_may_call_about(scope: Scope, incident: Incident) -> QuerySet[Contact]:
    """The contacts with whom one may talk about an incident: those who may see it (D21)."""
    people = contacts_for(scope).filter(customer=incident.customer_id)
    return people.filter(Q(restricted=False) | Q(pk=incident.contact_id))
