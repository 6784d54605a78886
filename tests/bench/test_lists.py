"""The queue and the portal's home with few and with many open incidents: server time and queries."""

from __future__ import annotations

import statistics
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from incidents.models import Incident, IncidentCharge, IncidentClock, Message, Product, Release
from incidents.numbers import number_of
from points.models import Charge, Entry, Lot
from points.services import grant
from sla.deadline import instant_before, plan
from sla.holidays import public_calendar_for
from sla.models import ResponseClock
from supportdesk.clock import set_to
from supportdesk.people.models import Contact, Customer, User
from supportdesk.people.services import sign_in_for
from supportdesk.places import Place
from tests.bench.conftest import Table
from tests.bench.pages import page_of
from tests.bench.test_sla import PLACES
from tests.cast import Cast

CUSTOMERS = 100
SIZES = (100, 10_000)
TRIES = 9


@pytest.mark.usefixtures("fresh_db")
def test_lists_of_many_incidents(committed_cast: Cast, at: datetime, table: Table) -> None:
    release = Release.objects.create(
        product=Product.objects.create(name="Bench"), name="1", released_on=at.date() - timedelta(days=30)
    )
    contacts = [_contact(n, at) for n in range(CUSTOMERS)]
    mine = contacts[0].user
    assert mine is not None
    rows = [("page", "open incidents", "median ms", "slowest ms", "queries")]
    made = 0
    with set_to(at):
        for size in SIZES:
            _open(range(made, size), contacts, release, owner=committed_cast.technician, at=at)
            made = size
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")
            for name, user, path in (
                ("queue", committed_cast.technician, "/desk/"),
                ("portal home", mine, "/"),
            ):
                rows.append((name, f"{size:,}", *_measured(user, path)))
    table(f"Lists, {CUSTOMERS} customers; the portal's has one in {CUSTOMERS}", rows)


def _measured(user: User, path: str) -> tuple[str, str, str]:
    once = page_of(user, path)
    once()
    with CaptureQueriesContext(connection) as queries:
        once()
        count = len(queries)
    times = [once()[0] for _ in range(TRIES)]
    return f"{statistics.median(times):.0f}", f"{max(times):.0f}", str(count)


def _contact(n: int, at: datetime, *, points: int = 2_000) -> Contact:
    place = PLACES[n % len(PLACES)]
    customer = Customer.objects.create(
        name=f"Bench {n}", country=place.country, subdivision=place.subdivision, zone=place.zone, place_name="There"
    )
    grant(customer=customer, points=points, at=at, reason="Bench", actor=None, key=f"bench-{n}")
    contact = Contact.objects.create(
        customer=customer, name=f"Contact {n}", email=f"c{n}@bench.example", is_administrator=True
    )
    sign_in_for(contact=contact)
    return contact


def _open(numbers: range, contacts: list[Contact], release: Release, *, owner: User, at: datetime) -> None:
    """Open incidents as rows: half of them wait for a first answer, the others for either side in turn."""
    opened = [at - timedelta(minutes=3 * n % 4_000) for n in numbers]
    whose = [contacts[n % len(contacts)] for n in numbers]
    clocks = ResponseClock.objects.bulk_create(
        [
            _clock(contact.customer.place, moment, answered=n % 2 == 1)
            for n, contact, moment in _with(numbers, whose, opened)
        ],
        batch_size=1000,
    )
    charges = _paid(numbers, whose, opened, at=at)
    incidents = Incident.objects.bulk_create(
        [
            Incident(
                number=number_of(50_000 + n),
                key=f"bench-{n:08d}",
                customer=contact.customer,
                contact=contact,
                channel="email",
                kind="operation",
                release=release,
                subject=f"Something that does not work, number {n}",
                status=("new", "open", "new", "waiting")[n % 4],
                owner=owner if n % 4 else None,
                opened_at=moment,
                last_at=moment,
                wrote_at=moment if n % 8 == 1 else None,
                waits_since=moment if n % 4 == 3 else None,
            )
            for n, contact, moment in _with(numbers, whose, opened)
        ],
        batch_size=1000,
    )
    IncidentClock.objects.bulk_create(
        [IncidentClock(incident=one, clock=clock) for one, clock in zip(incidents, clocks, strict=True)],
        batch_size=1000,
    )
    IncidentCharge.objects.bulk_create(
        [IncidentCharge(incident=one, charge=charge) for one, charge in zip(incidents, charges, strict=True)],
        batch_size=1000,
    )
    Message.objects.bulk_create(
        [
            Message(
                incident=one,
                kind="customer",
                via="form",
                contact=one.contact,
                text="It stops.",
                at=one.opened_at,
                key=one.key,
            )
            for one in incidents
        ],
        batch_size=1000,
    )


@transaction.atomic
def _paid(numbers: range, whose: list[Contact], opened: list[datetime], *, at: datetime) -> list[Charge]:
    """The charges and their entries at once: the ledger takes the one only with the other."""
    lots = dict(Lot.objects.values_list("customer_id", "pk"))
    charges = Charge.objects.bulk_create(
        [
            Charge(customer=contact.customer, points=10, channel="email", reference="", charged_at=at, key=f"b{n}")
            for n, contact, _moment in _with(numbers, whose, opened)
        ],
        batch_size=1000,
    )
    Entry.objects.bulk_create(
        [
            Entry(
                customer_id=made.customer_id,
                lot_id=lots[made.customer_id],
                charge=made,
                cause="charge",
                points=-10,
                at=at,
                key=f"charge:{made.pk}",
            )
            for made in charges
        ],
        batch_size=1000,
    )
    return charges


def _with(numbers: range, whose: list[Contact], opened: list[datetime]) -> list[tuple[int, Contact, datetime]]:
    return list(zip(numbers, whose, opened, strict=True))


def _clock(place: Place, moment: datetime, *, answered: bool) -> ResponseClock:
    calendar = public_calendar_for(place)
    planned = plan(logged_at=moment, calendar=calendar)
    first, last = (instant_before(due_at=planned.due_at, minutes=left, calendar=calendar) for left in (60, 15))
    end = min(planned.due_at, moment + timedelta(minutes=2)) if answered else None
    return ResponseClock(
        country=place.country,
        subdivision=place.subdivision,
        zone=place.zone,
        started_at=moment,
        minutes=240,
        due_at=planned.due_at,
        plan=planned.as_data(),
        answered_at=end,
        ended_at=end,
        outcome="met" if answered else "running",
        warn_first_at=first,
        warn_last_at=last,
    )
