"""A customer that moves: its open deadlines go with it, and are shown before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.models import Incident, TimelineEntry
from incidents.services.places import BadPlace, move_customer, would_move
from points.models import Purchase
from sla.calendar import NoBusinessHours
from sla.calendars import lock_calendars
from sla.closing import add_closure, insert_closure, note_change
from sla.closures import Reach, Rule
from sla.models import ResponseClock
from supportdesk import clock
from supportdesk.people.models import Customer
from supportdesk.places import Place
from tests.cast import Cast
from tests.incidents_helpers import answered, at_once, key, opened, signed_in

pytestmark = pytest.mark.rule("D23")
LOGGED = datetime(2026, 12, 7, 15, tzinfo=UTC)  # Monday 10:00 in New York, due at 14:00 there: 19:00
AT = LOGGED + timedelta(minutes=30)
TO_CHICAGO = {"country": "US", "subdivision": "IL", "zone": "America/Chicago"}
NOON_CHICAGO = datetime(2026, 12, 7, 19, tzinfo=UTC)


def move(customer: Customer, **given: Any) -> Any:
    values: dict[str, Any] = {"customer_id": customer.pk, "user": None, "at": AT, **TO_CHICAGO, **given}
    return move_customer(**values)


def due(incident: Incident) -> datetime:
    return incident.clocks.get(current=True).clock.due_at


TO_HONOLULU = {"subdivision": "HI", "zone": "Pacific/Honolulu"}
HONOLULU_13 = datetime(2026, 12, 7, 23, tzinfo=UTC)  # logged at 5:00 there, so four hours from 9:00


def test_running_clocks_go_by_the_new_place_and_the_timeline_says_who_moved_them(cast: Cast):
    running, ended = opened(cast.owner, at=LOGGED), opened(cast.owner, at=LOGGED)
    foreign = opened(cast.stranger, at=LOGGED)
    answered(ended, cast.technician, at=AT)
    before = list(ResponseClock.objects.exclude(link__incident=running).order_by("pk").values())
    zones = list(Purchase.objects.values_list("pk", "zone"))

    moved = move(cast.acme, user=cast.admin, **TO_HONOLULU)
    assert [(one.old_due_at, one.new_due_at) for one in moved] == [(LOGGED + timedelta(hours=4), HONOLULU_13)]
    customer = Customer.objects.get(pk=cast.acme.pk)
    assert (customer.place, customer.place_name) == (Place("US", "HI", "Pacific/Honolulu"), "Honolulu")
    link = running.clocks.select_related("clock").get()
    assert (link.clock.place, link.clock.due_at) == (customer.place, HONOLULU_13)
    step = running.timeline.get(code="deadline_moved")
    assert (step.user, step.at, step.data["why"]) == (cast.admin, AT, "place")
    assert list(ResponseClock.objects.exclude(link__incident=running).order_by("pk").values()) == before
    assert not foreign.timeline.filter(code="deadline_moved").exists()
    assert list(Purchase.objects.values_list("pk", "zone")) == zones, "lots keep the zone of their purchase"


def test_the_same_place_again_changes_nothing(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)
    assert len(move(cast.acme, **TO_HONOLULU)) == 1
    assert move(cast.acme, **TO_HONOLULU) == ()
    assert incident.timeline.filter(code="deadline_moved").count() == 1
    assert move(cast.acme, **TO_HONOLULU, place_name="Hilo") == ()
    assert Customer.objects.get(pk=cast.acme.pk).place_name == "Hilo"


def test_a_deadline_that_stays_the_same_instant_makes_no_step(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)  # 9:00 in Chicago: the same four hours
    assert move(cast.acme) == ()
    assert due(incident) == NOON_CHICAGO
    assert incident.clocks.get().clock.zone == "America/Chicago"
    assert not incident.timeline.filter(code="deadline_moved").exists()


def test_the_customers_own_closures_count_in_the_new_place_too(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)
    rule = Rule(LOGGED.date(), LOGGED.date(), "Inventory", reach=Reach(customer_id=cast.acme.pk))
    add_closure(rule=rule, by=None, at=AT, key=key())
    move(cast.acme, **TO_HONOLULU)
    assert due(incident) == HONOLULU_13 + timedelta(days=1)


@pytest.mark.parametrize(
    "given",
    [{"country": "Ge", "subdivision": ""}, {"subdivision": "XX"}, {"zone": "Mars/Base"}, {"country": "XX"}],
)
def test_a_place_that_is_none_changes_nothing(cast: Cast, given: dict[str, str]):
    incident = opened(cast.owner, at=LOGGED)
    before = (Customer.objects.values().get(pk=cast.acme.pk), due(incident), TimelineEntry.objects.count())
    with pytest.raises(BadPlace):
        move(cast.acme, **given)
    with pytest.raises(BadPlace):
        would_move(customer=cast.acme, place=Place(**TO_CHICAGO | given))
    assert (Customer.objects.values().get(pk=cast.acme.pk), due(incident), TimelineEntry.objects.count()) == before


@pytest.mark.parametrize("count", [1, 50])
def test_moving_costs_the_same_queries_however_many_deadlines(cast: Cast, count: int):
    for _ in range(count):
        opened(cast.owner, at=LOGGED)
    place = Place("US", "HI", "Pacific/Honolulu")
    with CaptureQueriesContext(connection) as asked:
        preview, rows = would_move(customer=cast.acme, place=place)
    assert (len(asked), preview.moved, len(rows)) == (3, count, count)
    with CaptureQueriesContext(connection) as asked:
        assert len(move(cast.acme, **TO_HONOLULU)) == count
    assert len(asked) == 12


def test_a_report_at_the_same_time_is_planned_by_the_place_that_ends_up_there(committed_cast: Cast):
    customer = committed_cast.acme
    made = at_once(
        *[lambda: opened(committed_cast.owner, at=LOGGED)] * 3,
        lambda: move(customer, **TO_HONOLULU),
    )
    assert not [one for one in made if isinstance(one, Exception)]
    assert {link.due_at for link in ResponseClock.objects.all()} == {HONOLULU_13}
    assert {link.zone for link in ResponseClock.objects.all()} == {"Pacific/Honolulu"}


def closed_for_years() -> None:
    """What no service lets through: nothing open in Hawaii for two years."""
    with transaction.atomic():
        state = lock_calendars()
        rules = [
            Rule(first, first + timedelta(days=365), f"From {first}", reach=Reach("US", "HI"))
            for first in (LOGGED.date(), LOGGED.date() + timedelta(days=366))
        ]
        for rule in rules:
            insert_closure(rule, by=None, at=AT, key=key(), uid="")
        note_change(state, what="imported", rules=rules, by=None, at=AT, data={})


def test_a_place_that_is_never_open_changes_nothing(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)
    closed_for_years()
    with pytest.raises(NoBusinessHours):
        move(cast.acme, **TO_HONOLULU)
    assert Customer.objects.get(pk=cast.acme.pk).zone == "America/New_York"
    assert due(incident) == LOGGED + timedelta(hours=4)


class TestTheForm:
    @pytest.fixture
    def admin(self, cast: Cast) -> Client:
        return signed_in(cast.admin)

    def send(self, admin: Client, customer: Customer, **given: str) -> Any:
        data = {
            "name": customer.name,
            "edition": customer.edition,
            "country": customer.country,
            "subdivision": customer.subdivision,
            "zone": customer.zone,
            "place_name": customer.place_name,
            "contacts-TOTAL_FORMS": "0",
            "contacts-INITIAL_FORMS": "0",
            **given,
        }
        with clock.set_to(AT):
            return admin.post(f"/admin/people/customer/{customer.pk}/change/", data)

    def test_deadlines_that_would_move_are_listed_before_anything_is_saved(self, cast: Cast, admin: Client):
        incident = opened(cast.owner, at=LOGGED)
        answer = self.send(admin, cast.acme, **TO_HONOLULU)
        assert answer.status_code == 200
        form = answer.context["adminform"].form
        assert form.errors["move_deadlines"] == [
            "1 open deadline moves. Tick the box and save again:",
            f"{incident.shown_number}: Mon 7 Dec, 14:00 in New York → Mon 7 Dec, 13:00 in Honolulu",
        ]
        assert list(form.errors) == ["move_deadlines"]
        assert due(incident) == LOGGED + timedelta(hours=4)
        assert Customer.objects.get(pk=cast.acme.pk).zone == "America/New_York"

        shown = form["shown"].value()
        assert f'value="{shown}"' in answer.content.decode()
        other = self.send(
            admin, cast.acme, subdivision="", zone="America/Denver", country="US", shown=shown, move_deadlines="on"
        )
        assert other.status_code == 200, "the tick was for other deadlines"

        answer = self.send(admin, cast.acme, **TO_HONOLULU, shown=shown, move_deadlines="on")
        assert answer.status_code == 302
        assert due(incident) == HONOLULU_13
        customer = Customer.objects.get(pk=cast.acme.pk)
        assert (customer.zone, customer.place_name) == ("Pacific/Honolulu", "Honolulu")
        assert incident.timeline.get(code="deadline_moved").user == cast.admin
        page = admin.get("/admin/people/customer/").content.decode()
        assert "1 open deadline was moved." in page

    def test_a_tick_without_a_look_is_asked_again(self, cast: Cast, admin: Client):
        opened(cast.owner, at=LOGGED)
        assert self.send(admin, cast.acme, **TO_HONOLULU, move_deadlines="on").status_code == 200
        assert Customer.objects.get(pk=cast.acme.pk).zone == "America/New_York"

    def test_where_nothing_moves_nothing_is_asked(self, cast: Cast, admin: Client):
        opened(cast.owner, at=LOGGED)
        assert self.send(admin, cast.acme, name="Acme Tools Inc.").status_code == 302
        assert self.send(admin, cast.acme, **TO_CHICAGO).status_code == 302
        customer = Customer.objects.get(pk=cast.acme.pk)
        assert (customer.name, customer.zone, customer.place_name) == ("Acme Tools", "America/Chicago", "Chicago")

    def test_a_place_that_is_never_open_is_refused_at_its_field(self, cast: Cast, admin: Client):
        opened(cast.owner, at=LOGGED)
        closed_for_years()
        answer = self.send(admin, cast.acme, **TO_HONOLULU, move_deadlines="on")
        assert answer.context["adminform"].form.errors == {
            "country": ["Nothing is ever open there, so no deadline can be promised."]
        }

    def test_a_place_name_of_their_own_stays(self, cast: Cast, admin: Client):
        assert self.send(admin, cast.acme, **TO_CHICAGO, place_name="Head office").status_code == 302
        assert Customer.objects.get(pk=cast.acme.pk).place_name == "Head office"

    @pytest.mark.rule("D21")
    def test_the_name_of_a_place_that_they_left_goes(self, cast: Cast, admin: Client):
        Customer.objects.filter(pk=cast.acme.pk).update(place_name="Albany")
        assert self.send(admin, cast.acme, **TO_CHICAGO, place_name="Albany").status_code == 302
        assert Customer.objects.get(pk=cast.acme.pk).place_name == "Chicago"

    def test_a_long_list_is_cut_and_says_so(self, cast: Cast, admin: Client):
        for _ in range(23):
            opened(cast.owner, at=LOGGED)
        said = self.send(admin, cast.acme, **TO_HONOLULU).context["adminform"].form.errors["move_deadlines"]
        assert (said[0], len(said), said[-1]) == (
            "23 open deadlines move. Tick the box and save again:",
            22,
            "and 3 more",
        )
