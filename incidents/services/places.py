"""A customer that moves: its place, and with it the deadlines that are open (D21, D23)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db import transaction

from incidents.models import Incident, IncidentClock, TimelineCode, TimelineEntry
from incidents.services.common import Refused
from sla.holidays import UnknownPlace
from sla.replanning import Preview, preview_place, replan_customer
from sla.services import Replanned
from supportdesk.people.models import Customer, User
from supportdesk.people.services import lock_customer
from supportdesk.places import Place, Problem, city_of, problems_of

Why = Literal["calendar", "place"]


class BadPlace(Refused):
    """There are no business hours in this place: ``problems`` says which field is wrong, and how."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(", ".join(f"{problem.field}: {problem.code}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldMove:
    """An open deadline (UTC) as it is, and as it would be."""

    incident: Incident
    old_due_at: datetime
    new_due_at: datetime


@transaction.atomic
def move_customer(
    *,
    customer_id: int,
    country: str,
    subdivision: str,
    zone: str,
    user: User | None,
    at: datetime,
    place_name: str = "",
) -> tuple[Replanned, ...]:
    """Gives a customer another place and plans its running clocks by it; the deadlines that moved (D23).

    A deadline that ended is not touched, and the lots keep the zone of their purchase (D1). Without ``place_name``
    it is the zone's city. The same place again changes nothing.

    Raises BadPlace, Customer.DoesNotExist, and ``NoBusinessHours`` where nothing is ever open; then nothing changes.
    """
    customer = lock_customer(customer_id)
    place = Place(country=country, subdivision=subdivision, zone=zone)
    if problems := tuple(problem for problem in problems_of(place) if not problem.warning):
        raise BadPlace(problems)
    moves = place != customer.place
    customer.country, customer.subdivision, customer.zone = country, subdivision, zone
    customer.place_name = place_name or (city_of(zone) if moves else customer.place_name)
    customer.save(update_fields=["country", "subdivision", "zone", "place_name"])
    if not moves:
        return ()
    moved = tuple(one for one in replan_customer(customer_id=customer_id, place=place) if one.moved)
    note_moves(moved, why="place", user=user, at=at)
    return moved


def would_move(*, customer: Customer, place: Place) -> tuple[Preview, tuple[WouldMove, ...]]:
    """Which open deadlines of a customer another place would move, the first of them by deadline; writes nothing (D23).

    Raises BadPlace.
    """
    try:
        preview = preview_place(customer_id=customer.pk, place=place)
    except UnknownPlace as unknown:
        raise BadPlace(unknown.problems) from unknown
    links = IncidentClock.objects.select_related("incident").in_bulk(
        [row.clock.pk for row in preview.rows], field_name="clock_id"
    )
    return preview, tuple(
        WouldMove(incident=links[row.clock.pk].incident, old_due_at=row.old_due_at, new_due_at=row.new_due_at)
        for row in preview.rows
        if row.clock.pk in links
    )


def note_moves(moved: Iterable[Replanned], *, why: Why, at: datetime, user: User | None = None) -> None:
    """Writes the old and the new deadline into the timelines: two statements, however many moved (D23)."""
    by_clock = {one.clock.pk: one for one in moved}
    if not by_clock:
        return
    links = IncidentClock.objects.filter(clock__in=by_clock).order_by("clock_id")
    TimelineEntry.objects.bulk_create(
        TimelineEntry(
            incident_id=incident_id,
            at=at,
            code=TimelineCode.DEADLINE_MOVED,
            user=user,
            data={
                "clock": clock_id,
                "zone": by_clock[clock_id].clock.zone,
                "old": by_clock[clock_id].old_due_at.isoformat(),
                "new": by_clock[clock_id].new_due_at.isoformat(),
                "why": why,
            },
        )
        for incident_id, clock_id in links.values_list("incident_id", "clock_id")
    )
