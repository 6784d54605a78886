"""Loads the sample desk, once: people, products, points, and incidents at every stage of their life."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand

from incidents.models import Incident, Kind, Product, Release, Via
from incidents.services.conversation import answer, customer_message
from incidents.services.crediting import mark_bug
from incidents.services.following import add_follower
from incidents.services.opening import Report, open_incident
from incidents.services.ownership import take
from points.models import Pack, Price
from points.services import grant
from points.setting import ledger_clock_widened
from sla.calendars import calendar_for
from sla.deadline import instant_before
from supportdesk import clock
from supportdesk.demo import mails, sample, tips
from supportdesk.demo.people import PASSWORD
from supportdesk.people.models import Contact, Customer, User
from supportdesk.people.services import sign_in_for

MINUTE = timedelta(minutes=1)


def _ago(at: datetime, minutes: int, contact: Contact) -> datetime:
    """The instant that many business minutes of the contact's customer ago."""
    if not minutes:
        return at
    return instant_before(due_at=at, minutes=minutes, calendar=calendar_for(contact.customer.place))


class Command(BaseCommand):
    help = "Loads the sample desk of the demo. A second time changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.filter(email=sample.STAFF[0][1]).exists():
            return
        at = clock.now()
        # The sample has a past; the ledger takes no backdated entry from the application (D40).
        with ledger_clock_widened():
            staff = {row[0]: self._staff(*row) for row in sample.STAFF}
            self._prices()
            releases = self._releases(at)
            contacts = {row[0]: self._customer(*row, admin=staff["Ada Lindqvist"], at=at) for row in sample.CUSTOMERS}
            # In the order in which they came: the lots that expire first are spent first (D2).
            came = sorted(sample.INCIDENTS, key=lambda row: _ago(at, row[5], contacts[row[0]]))
            for index, row in enumerate(came):
                self._incident(f"demo-incident-{index:02d}", row, contacts, releases, staff, at)
            for colleague in sample.COLLEAGUES:
                self._colleague(*colleague, by=contacts[colleague[0]], at=at)
        isla = contacts[sample.CUSTOMERS[0][0]]
        mails.load(at=at, technician=staff["Maya Okafor"], before=lambda minutes: _ago(at, minutes, isla))
        tips.load(at)

    def _staff(self, name: str, email: str, zone: str, place: str, technician: bool, admin: bool) -> User:
        return User.objects.create_user(
            email,
            PASSWORD,
            name=name,
            zone=zone,
            place_name=place,
            is_technician=technician,
            is_staff=admin,
        )

    def _prices(self) -> None:
        for points, prices in sample.PRICES:
            pack = Pack.objects.get(points=points)
            Price.objects.bulk_create(
                Price(pack=pack, currency=currency, amount_minor=minor) for currency, minor in prices.items()
            )

    def _releases(self, at: datetime) -> dict[str, Release]:
        found = {}
        for product_name, releases in sample.PRODUCTS:
            product = Product.objects.create(name=product_name)
            for name, age, left in releases:
                until = None if left is None else (at + timedelta(days=left)).date()
                found[name] = Release.objects.create(
                    product=product, name=name, released_on=(at - timedelta(days=age)).date(), supported_until=until
                )
        return found

    def _customer(
        self,
        name: str,
        edition: str,
        country: str,
        subdivision: str,
        zone: str,
        place: str,
        person: tuple[str, str, str],
        lots: tuple[tuple[int, int], ...],
        *,
        admin: User,
        at: datetime,
    ) -> Contact:
        customer = Customer(
            name=name, edition=edition, country=country, subdivision=subdivision, zone=zone, place_name=place
        )
        customer.full_clean()
        customer.save()
        contact = Contact(customer=customer, name=person[0], email=person[1], phone=person[2], is_administrator=True)
        contact.full_clean()
        contact.save()
        user = sign_in_for(contact=contact)
        user.set_password(PASSWORD)
        user.save()
        for index, (points, days_ago) in enumerate(lots):
            bought = at - timedelta(days=days_ago)
            paid: dict[str, Any] = (
                {"kind": "invoice", "amount_minor": points * 800, "currency": "EUR"} if points >= 10 else {}
            )
            grant(
                customer=customer,
                points=points,
                at=bought,
                reason=f"no. {bought:%y}-{customer.pk:03d}{index}" if paid else "we answered late",
                actor=admin,
                key=f"demo-lot-{customer.pk}-{index}",
                **paid,
            )
        return contact

    def _colleague(
        self, customer: str, name: str, email: str, restricted: bool, follows: str, *, by: Contact, at: datetime
    ) -> None:
        contact = Contact.objects.create(customer=by.customer, name=name, email=email, restricted=restricted)
        sign_in_for(contact=contact)
        if follows:
            incident = Incident.objects.get(customer=by.customer, subject=follows)
            add_follower(incident_id=incident.pk, contact_id=contact.pk, by=by, at=at)

    def _incident(
        self,
        key: str,
        row: tuple[Any, ...],
        contacts: dict[str, Contact],
        releases: dict[str, Release],
        staff: dict[str, User],
        at: datetime,
    ) -> None:
        customer, release, kind, subject, text, minutes_ago, became, who = row
        contact = contacts[customer]

        def before(minutes: int) -> datetime:
            return _ago(at, minutes, contact)

        incident = open_incident(
            report=Report(
                contact=contact,
                channel="email",
                kind=Kind(kind),
                release_id=releases[release].pk,
                subject=subject,
                text=text,
            ),
            at=before(minutes_ago),
            key=key,
        )
        if became:
            self._live(incident, became, staff[who], contact, before, minutes_ago, key)

    def _live(
        self,
        incident: Incident,
        became: str,
        user: User,
        contact: Contact,
        before: Any,
        minutes_ago: int,
        key: str,
    ) -> None:
        take(incident_id=incident.pk, user=user, at=before(minutes_ago - 15))
        if became == "taken":
            return
        then = "closed" if became in ("closed", "asked") else "waiting"
        answer(
            incident_id=incident.pk,
            text=sample.RESOLUTION if then == "closed" else sample.FIRST_ANSWER,
            then=then,
            user=user,
            at=before(minutes_ago - 100),
            key=f"{key}-answer",
        )
        if became in ("wrote", "asked"):
            customer_message(
                incident_id=incident.pk,
                contact=contact,
                text=sample.CUSTOMER_AGAIN if became == "wrote" else sample.BACK_AGAIN,
                via=Via.PORTAL,
                at=before(40),
                key=f"{key}-again",
            )
        if became == "bug":
            mark_bug(
                incident_id=incident.pk, reference=sample.BUG, user=user, at=before(minutes_ago - 130), key=f"{key}-bug"
            )
