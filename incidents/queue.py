"""The technicians' queue: what is due, in the order of its deadline (D12, D22).

The same number of queries for one row and for a thousand; each group is cut, with its whole count beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from django.db.models import Count, F, OrderBy, Q, QuerySet
from django.db.models.functions import Coalesce

from incidents.access import cases_to_determine, held_for, incidents_for, notices_for
from incidents.models import Incident, IncidentClock
from incidents.statuses import UNFINISHED, Status
from points.access import holds_to_decide, payments_contradicted, refunds_stuck
from points.queries import balances
from sla.calendars import Calendars, current_calendars
from sla.deadline import business_time_between
from sla.models import Outcome
from sla.queries import minutes_left
from supportdesk.people.models import Customer
from supportdesk.people.scope import Scope
from supportdesk.policy import POLICY

Tone = Literal["calm", "soon", "breached", "waiting"]
GroupCode = Literal["late", "today", "later", "us", "decide", "work", "customer"]

GROUP_ROWS: Final = 50
SOON_MINUTES: Final = POLICY.warning_minutes[0]
# A local day that is "today" somewhere ends within this from now, wherever the customer is.
LONGEST_TODAY: Final = timedelta(hours=26)

RUNNING: Final = Q(clock__outcome=Outcome.RUNNING, incident__status__in=UNFINISHED)
ANSWERED: Final = Q(incident__status__in=UNFINISHED) & ~Q(clock__outcome=Outcome.RUNNING)
ASKED: Final = Q(reopen_asked_at__isnull=False)
# What a customer writes to a declined incident waits for a technician, too (D15).
OBJECTED: Final = Q(status=Status.DECLINED, wrote_at__isnull=False)
UNDECIDED: Final = Q(incident__reopen_asked_at__isnull=False) | Q(
    incident__status=Status.DECLINED, incident__wrote_at__isnull=False
)
WROTE: Final = ANSWERED & Q(incident__wrote_at__isnull=False)
QUIET: Final = ANSWERED & Q(incident__wrote_at=None)
WORK: Final = QUIET & ~Q(incident__status=Status.WAITING)
WAITS: Final = QUIET & Q(incident__status=Status.WAITING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """What a clock shows: business time left (negative when late), how much of 240 minutes is used, the tone."""

    left: timedelta
    used: int
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """The customer's clock: open now, or the instant at which it opens; ``skipped`` names what is closed till then."""

    zone: str
    place: str
    opens_at: datetime | None
    opens_today: bool
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the queue."""

    incident: Incident
    hand: Hand | None
    due_at: datetime
    since: timedelta | None  # since the customer wrote or asked, by the wall clock
    there: There
    points: int
    after_all: bool  # announced as late, and in time by a later calendar (D23)

    @property
    def is_low(self) -> bool:
        """True where the points on hand do not pay two more e-mail incidents (R1)."""
        return self.points < 2 * POLICY.email_points


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows that belong together; ``count`` is of all, ``rows`` may be fewer."""

    code: GroupCode
    rows: tuple[Row, ...]
    count: int

    @property
    def is_cut(self) -> bool:
        return self.count > len(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What waits for an admin: credits to determine, holds to decide, refunds that are stuck, payments contradicted."""

    credits: int = 0
    holds: int = 0
    refunds: int = 0
    payments: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the side list shows beside each view."""

    all: int
    mine: int
    late: int
    today: int
    later: int
    us: int
    work: int
    customer: int
    decide: int
    held: int
    notices: int = 0  # unread ones
    admins: Decisions = Decisions()

    def of(self, code: GroupCode) -> int:
        return int(getattr(self, code))


VIEWS: Final[dict[str, tuple[GroupCode, ...]]] = {
    "all": ("late", "today", "later", "us", "decide", "work", "customer"),
    "mine": ("late", "today", "later", "us", "decide", "work", "customer"),
    "late": ("late",),
    "today": ("today",),
    "waiting": ("customer",),
    "decide": ("decide",),
}


def hand_of(link: IncidentClock, *, at: datetime, calendars: Calendars) -> Hand | None:
    """The hand of a running clock at ``at``; None once it has ended (D12)."""
    clock = link.clock
    if clock.outcome != Outcome.RUNNING:
        return None
    calendar = calendars.of(clock.place, clock.customer_id)
    if clock.is_late(at):
        late = business_time_between(start=clock.due_at, end=at, calendar=calendar)
        return Hand(left=-late, used=clock.minutes, tone="breached")
    left = minutes_left(clock, at, calendar=calendar)
    return Hand(
        left=timedelta(minutes=left),
        used=max(0, min(clock.minutes, clock.minutes - left)),
        tone="soon" if left <= SOON_MINUTES else "calm",
    )


def there(incident: Incident, *, at: datetime, calendars: Calendars) -> There:
    """What the clock of an incident's customer shows at ``at`` (R5)."""
    return there_of(incident.customer, at=at, calendars=calendars)


def there_of(customer: Customer, *, at: datetime, calendars: Calendars) -> There:
    """What the customer's clock shows at ``at``, and when it opens if it is closed (R5)."""
    calendar = calendars.of(customer.place, customer.pk)
    today = calendar.local_date(at)
    opens = None
    skipped: list[str] = []
    for day in calendar.walk(today):
        hours = day.hours
        if day.closed is not None and day.closed.kind != "weekend":
            skipped.append(day.closed.name)
        if hours is None or hours.end <= at:
            continue
        opens = None if hours.start <= at else hours.start
        break
    return There(
        zone=customer.zone,
        place=customer.place_name,
        opens_at=opens,
        opens_today=opens is not None and calendar.local_date(opens) == today,
        skipped=tuple(dict.fromkeys(skipped)),
    )


def _links(scope: Scope) -> QuerySet[IncidentClock]:
    links = IncidentClock.objects.filter(current=True)
    # The desk sees every incident: a subquery that says so would only cost.
    return links if scope.desk else links.filter(incident__in=incidents_for(scope))


def counts(scope: Scope, *, at: datetime, mine: bool = False) -> Counts:
    """How many incidents each group has, in five queries however many there are, and one a count for admins.

    With ``mine`` one's own only.
    """
    # Two questions: one with an OR over both would read every incident there ever was.
    late = RUNNING & Q(clock__due_at__lt=at)
    found = (
        _links(scope)
        .filter(_owned(scope, mine), incident__status__in=UNFINISHED)
        .aggregate(
            all=Count("pk"),
            mine=Count("pk", filter=Q(incident__owner_id=scope.user_id)),
            running=Count("pk", filter=RUNNING),
            late=Count("pk", filter=late),
            us=Count("pk", filter=WROTE),
            work=Count("pk", filter=WORK),
            customer=Count("pk", filter=WAITS),
        )
    )
    undecided = incidents_for(scope).filter(ASKED | OBJECTED)
    if mine:
        undecided = undecided.filter(owner_id=scope.user_id)
    decide = undecided.aggregate(all=Count("pk"), mine=Count("pk", filter=Q(owner_id=scope.user_id)))
    found["all"] += decide["all"]
    found["mine"] += decide["mine"]
    running = found.pop("running")
    today = sum(1 for _ in _due_today(scope, at=at, mine=mine))
    return Counts(
        **found,
        decide=decide["all"],
        today=today,
        later=running - found["late"] - today,
        held=0 if mine else held_for(scope).count(),
        notices=0 if mine else notices_for(scope).filter(read_at=None).count(),
        admins=Decisions() if mine else decisions(scope),
    )


def decisions(scope: Scope) -> Decisions:
    """What waits for an admin, in one query each; nothing for anybody else (D17, D22, D32)."""
    if not scope.admin:
        return Decisions()
    return Decisions(
        credits=cases_to_determine(scope).count(),
        holds=holds_to_decide(scope).count(),
        refunds=refunds_stuck(scope).count(),
        payments=payments_contradicted(scope).count(),
    )


def _owned(scope: Scope, mine: bool) -> Q:
    return Q(incident__owner_id=scope.user_id) if mine else Q()


def _due_today(scope: Scope, *, at: datetime, mine: bool) -> Iterator[int]:
    """Incidents that are due on their customer's local today and not late (the zone decides, so not SQL)."""
    soon = _links(scope).filter(
        RUNNING, _owned(scope, mine), clock__due_at__gte=at, clock__due_at__lt=at + LONGEST_TODAY
    )
    for incident, zone, due_at in soon.values_list("incident_id", "clock__zone", "clock__due_at"):
        if is_today(due_at, zone, at=at):
            yield incident


def is_today(instant: datetime, zone: str, *, at: datetime) -> bool:
    """True where ``instant`` falls on the local day of ``at`` in ``zone``."""
    tz = ZoneInfo(zone)
    return instant.astimezone(tz).date() == at.astimezone(tz).date()


def queue(scope: Scope, *, view: str, at: datetime, numbers: Counts, limit: int = GROUP_ROWS) -> list[Group]:
    """The groups of a view, empty ones left out, each ordered by deadline or by how long it waits.

    ``numbers``: the counts of the view, one's own for "mine".
    """
    mine = _owned(scope, view == "mine")
    groups: list[Group] = []
    due: dict[GroupCode, list[IncidentClock]] = {"late": [], "today": [], "later": []}
    codes = VIEWS[view]
    if set(codes) & set(due):
        late = _take(scope, RUNNING & mine & Q(clock__due_at__lt=at), F("clock__due_at"), limit)
        due["late"] = late
        if set(codes) & {"today", "later"}:
            for link in _take(scope, RUNNING & mine & Q(clock__due_at__gte=at), F("clock__due_at"), 2 * limit):
                due["today" if is_today(link.clock.due_at, link.clock.zone, at=at) else "later"].append(link)
    rest: dict[GroupCode, tuple[Q, F | Coalesce]] = {
        "us": (WROTE, F("incident__wrote_at")),
        "decide": (UNDECIDED, Coalesce("incident__reopen_asked_at", "incident__wrote_at")),
        "work": (WORK, F("incident__last_at")),
        "customer": (WAITS, F("incident__last_at")),
    }
    found = {
        code: due[code] if code in due else _take(scope, rest[code][0] & mine, rest[code][1], limit) for code in codes
    }
    points = balances([link.incident.customer_id for links in found.values() for link in links], at=at)
    calendars = current_calendars()
    for code, links in found.items():
        if links:
            rows = tuple(_row(link, at=at, points=points, calendars=calendars) for link in links[:limit])
            groups.append(Group(code=code, rows=rows, count=max(numbers.of(code), len(rows))))
    return groups


def _take(scope: Scope, where: Q, order: F | Coalesce, limit: int) -> list[IncidentClock]:
    links = (
        _links(scope)
        .filter(where)
        .select_related("clock", "incident__customer", "incident__owner", "incident__contact")
    )
    return list(links.order_by(OrderBy(order), "pk")[:limit])


def _row(link: IncidentClock, *, at: datetime, points: dict[int, int], calendars: Calendars) -> Row:
    incident = link.incident
    began = incident.reopen_asked_at or incident.wrote_at
    hand = hand_of(link, at=at, calendars=calendars)
    since = None
    if hand is None and began is not None:
        since = max(at - began, timedelta(0))
    return Row(
        incident=incident,
        hand=hand,
        due_at=link.clock.due_at,
        since=since,
        there=there(incident, at=at, calendars=calendars),
        points=points.get(incident.customer_id, 0),
        after_all=hand is not None and link.clock.announced_but_in_time(at),
    )


def neighbours(groups: Iterable[Group], number: str) -> tuple[str | None, str | None]:
    """The ticket numbers before and after ``number`` in the order of the queue."""
    numbers = [row.incident.number for group in groups for row in group.rows]
    if number not in numbers:
        return None, numbers[0] if numbers else None
    place = numbers.index(number)
    return (numbers[place - 1] if place else None), (numbers[place + 1] if place + 1 < len(numbers) else None)
