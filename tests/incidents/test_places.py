"""A customer that moves: its open deadlines go with it, and are shown before."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
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
from tests.portal.test_report import plain

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


def test_a_place_whose_closures_and_the_customers_own_leave_nothing_open_is_refused_without_a_clock_too(cast: Cast):
    theirs = Rule(date(2027, 1, 1), date(2027, 12, 31), "Strike", reach=Reach("FR"))
    own = Rule(date(2028, 1, 1), date(2028, 3, 1), "Rebuilding", reach=Reach(customer_id=cast.acme.pk))
    for rule in (theirs, own):
        add_closure(rule=rule, by=cast.admin, at=AT, key=key())
    paris = {"country": "FR", "subdivision": "", "zone": "Europe/Paris"}
    with pytest.raises(NoBusinessHours):
        move(cast.acme, **paris)
    cast.acme.refresh_from_db()
    assert cast.acme.country == "US"
    answer = signed_in(cast.admin).post(f"/admin/people/customer/{cast.acme.pk}/move/", {**paris, "do": "preview"})
    assert answer.status_code == 422
    assert "Nothing is ever open there" in plain(answer.content.decode())
    move(cast.other, **paris)


class TestThePage:
    @pytest.fixture
    def admin(self, cast: Cast) -> Client:
        return signed_in(cast.admin)

    def send(self, admin: Client, customer: Customer, *, do: str = "preview", **given: str) -> Any:
        data = {
            "country": customer.country,
            "subdivision": customer.subdivision,
            "zone": customer.zone,
            "place_name": customer.place_name,
            "do": do,
            **given,
        }
        with clock.set_to(AT):
            return admin.post(f"/admin/people/customer/{customer.pk}/move/", data)

    def save(self, admin: Client, customer: Customer, **given: str) -> Any:
        """Sent twice: looked at, then saved."""
        seen = self.send(admin, customer, **given)
        assert seen.status_code == 200
        return self.send(admin, customer, **{**given, **self.carried(seen)})

    def carried(self, seen: Any) -> dict[str, str]:
        """What the page of a preview sends on when it is saved, beside the place."""
        form = seen.context["form"]
        return {name: form[name].value() for name in ("previewed", "place_name", "filled")} | {"do": "save"}

    def test_deadlines_that_would_move_are_listed_before_anything_is_saved(self, cast: Cast, admin: Client):
        incident = opened(cast.owner, at=LOGGED)
        opened(cast.stranger, at=LOGGED)
        answer = self.send(admin, cast.acme, **TO_HONOLULU)
        text = plain(answer.content.decode())
        assert answer.status_code == 200
        assert "1 open deadline would move" in text
        assert plain(incident.shown_number) in text
        assert "Mon 7 Dec, 14:00 → Mon 7 Dec, 13:00 in Honolulu" in text
        assert "Save and move 1 deadline" in text
        assert due(incident) == LOGGED + timedelta(hours=4)
        assert Customer.objects.get(pk=cast.acme.pk).zone == "America/New_York"

        shown = self.carried(answer)
        assert f'value="{shown["previewed"]}"' in answer.content.decode()
        there = {"subdivision": "", "zone": "America/Denver"}
        other = self.send(admin, cast.acme, **shown, **there)
        assert other.status_code == 200, "another place was shown"
        assert Customer.objects.get(pk=cast.acme.pk).zone == "America/New_York"

        answer = self.send(admin, cast.acme, **shown, **TO_HONOLULU)
        assert answer.status_code == 302
        assert due(incident) == HONOLULU_13
        customer = Customer.objects.get(pk=cast.acme.pk)
        assert (customer.zone, customer.place_name) == ("Pacific/Honolulu", "Honolulu")
        assert incident.timeline.get(code="deadline_moved").user == cast.admin
        page = plain(admin.get(answer.url).content.decode())
        assert "Acme Tools is in Honolulu now. 1 open deadline was moved." in page
        assert "moved to Honolulu" in plain(
            admin.get(f"/admin/people/customer/{customer.pk}/history/").content.decode()
        )
        assert self.send(admin, cast.acme, **shown, **TO_HONOLULU).status_code == 302, "twice is once"
        assert incident.timeline.filter(code="deadline_moved").count() == 1

    def test_saved_without_a_look_is_shown_first(self, cast: Cast, admin: Client):
        opened(cast.owner, at=LOGGED)
        assert self.send(admin, cast.acme, do="save", **TO_HONOLULU).status_code == 200
        assert Customer.objects.get(pk=cast.acme.pk).zone == "America/New_York"

    def test_other_moves_than_were_shown_are_shown_anew(self, cast: Cast, admin: Client):
        opened(cast.owner, at=LOGGED)
        shown = self.carried(self.send(admin, cast.acme, **TO_HONOLULU))
        rule = Rule(LOGGED.date(), LOGGED.date(), "Inventory", reach=Reach("US", "HI"))
        add_closure(rule=rule, by=None, at=AT, key=key())
        answer = self.send(admin, cast.acme, **shown, **TO_HONOLULU)
        text = plain(answer.content.decode())
        assert "What was shown is different by now, so nothing was saved." in text
        assert "Tue 8 Dec, 13:00 in Honolulu" in text
        assert Customer.objects.get(pk=cast.acme.pk).zone == "America/New_York"

    def test_a_customer_that_somebody_else_moved_is_shown_anew(self, cast: Cast, admin: Client):
        shown = self.carried(self.send(admin, cast.acme, **TO_HONOLULU))
        move(cast.acme)
        answer = self.send(admin, cast.acme, **shown, **TO_HONOLULU)
        assert "different by now" in plain(answer.content.decode())
        assert Customer.objects.get(pk=cast.acme.pk).zone == "America/Chicago"

    def test_where_nothing_moves_that_is_said(self, cast: Cast, admin: Client):
        opened(cast.owner, at=LOGGED)
        text = plain(self.send(admin, cast.acme, **TO_CHICAGO).content.decode())
        assert "No open deadline would move" in text
        assert self.save(admin, cast.acme, **TO_CHICAGO).status_code == 302
        customer = Customer.objects.get(pk=cast.acme.pk)
        assert (customer.zone, customer.place_name) == ("America/Chicago", "Chicago")
        assert "nothing would change" in plain(self.send(admin, customer).content.decode())

    def test_a_closure_saved_between_the_look_and_the_save_is_an_error_at_its_field(self, cast: Cast, admin: Client):
        incident = opened(cast.owner, at=LOGGED)
        shown = self.carried(self.send(admin, cast.acme, **TO_HONOLULU))
        closed_for_years()
        before = Customer.objects.values().get(pk=cast.acme.pk)
        answer = self.send(admin, cast.acme, **shown, **TO_HONOLULU)
        assert answer.status_code == 422
        assert answer.context["form"].errors == {
            "country": ["Nothing is ever open there, so no deadline can be promised."]
        }
        assert "Nothing is ever open there" in plain(answer.content.decode())
        assert Customer.objects.values().get(pk=cast.acme.pk) == before
        assert due(incident) == LOGGED + timedelta(hours=4)
        assert not incident.timeline.filter(code="deadline_moved").exists()

    @pytest.mark.parametrize(
        ("given", "field", "said"),
        [
            ({"country": "Ge"}, "country", "is no country code"),
            ({"country": ""}, "country", "required"),
            ({"subdivision": "XX"}, "subdivision", "is no subdivision of United States"),
            ({"zone": "Mars/Base"}, "zone", "is no time zone"),
            ({"zone": "Europe/Berlin"}, "zone", "No part of United States uses Europe/Berlin"),
        ],
    )
    def test_a_place_that_is_none_is_an_error_at_its_field(
        self, cast: Cast, admin: Client, given: dict[str, str], field: str, said: str
    ):
        answer = self.send(admin, cast.acme, do="save", **given)
        assert answer.status_code == 422
        (error,) = answer.context["form"].errors[field]
        assert said in error
        assert Customer.objects.get(pk=cast.acme.pk).place == cast.acme.place

    def test_a_place_that_is_none_by_the_time_of_saving_is_an_error_too(
        self, cast: Cast, admin: Client, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("incidents.admin.customers.MoveForm.clean", lambda form: form.cleaned_data)
        answer = self.send(admin, cast.acme, do="save", subdivision="XX")
        assert answer.status_code == 422
        assert list(answer.context["form"].errors) == ["subdivision"]

    @pytest.mark.rule("D21")
    def test_a_zone_of_another_country_is_asked_about_once_more(self, cast: Cast, admin: Client):
        far = {"country": "AT", "subdivision": "", "zone": "America/New_York"}
        answer = self.send(admin, cast.acme, **far)
        assert answer.context["form"].errors["save_anyway"] == ["Tick this to save it as it is."]
        assert self.save(admin, cast.acme, save_anyway="on", **far).status_code == 302
        assert Customer.objects.get(pk=cast.acme.pk).country == "AT"

    def test_a_place_name_of_their_own_stays(self, cast: Cast, admin: Client):
        assert self.save(admin, cast.acme, **TO_CHICAGO, place_name="Head office").status_code == 302
        assert Customer.objects.get(pk=cast.acme.pk).place_name == "Head office"

    @pytest.mark.rule("D21")
    def test_the_name_of_a_place_that_they_left_goes(self, cast: Cast, admin: Client):
        Customer.objects.filter(pk=cast.acme.pk).update(place_name="Albany")
        seen = self.carried(self.send(admin, cast.acme, **TO_CHICAGO, place_name="Albany"))
        assert seen["place_name"] == "Chicago"
        again = {"country": "US", "subdivision": "", "zone": "America/Denver"}
        other = self.carried(self.send(admin, cast.acme, **again, **seen))
        assert other["place_name"] == "Denver"
        back = self.send(admin, cast.acme, **other | {"do": "preview"})
        assert self.carried(back)["place_name"] == "Albany"
        assert self.send(admin, cast.acme, **again, **other).status_code == 302
        assert Customer.objects.get(pk=cast.acme.pk).place_name == "Denver"

    def test_a_long_list_is_cut_and_says_so(self, cast: Cast, admin: Client, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("sla.replanning.SAMPLE", 2)
        for _ in range(5):
            opened(cast.owner, at=LOGGED)
        text = plain(self.send(admin, cast.acme, **TO_HONOLULU).content.decode())
        assert "5 open deadlines would move" in text
        assert "The first 2 are shown" in text

    def test_looking_costs_the_same_queries_however_many_deadlines(self, cast: Cast, admin: Client):
        def asked() -> int:
            with CaptureQueriesContext(connection) as queries:
                assert "would move" in plain(self.send(admin, cast.acme, **TO_HONOLULU).content.decode())
            return len(queries)

        opened(cast.owner, at=LOGGED)
        one = asked()
        for _ in range(4):
            opened(cast.owner, at=LOGGED)
        assert asked() == one

    def test_the_form_of_names_leaves_the_place_alone(self, cast: Cast, admin: Client):
        page = f"/admin/people/customer/{cast.acme.pk}/change/"
        text = plain(admin.get(page).content.decode())
        assert "New York" in text
        assert f"/admin/people/customer/{cast.acme.pk}/move/" in admin.get(page).content.decode()
        rows = {"contacts-TOTAL_FORMS": "0", "contacts-INITIAL_FORMS": "0"}
        sent = {"name": "Acme Inc.", "edition": cast.acme.edition, "country": "DE", "zone": "Europe/Berlin", **rows}
        assert admin.post(page, sent).status_code == 302
        customer = Customer.objects.get(pk=cast.acme.pk)
        assert (customer.name, customer.place) == ("Acme Inc.", cast.acme.place)

    def test_a_place_that_is_none_any_more_is_said_above_the_names(self, cast: Cast, admin: Client):
        Customer.objects.filter(pk=cast.acme.pk).update(subdivision="XX")
        rows = {"contacts-TOTAL_FORMS": "0", "contacts-INITIAL_FORMS": "0"}
        sent = {"name": "Acme Inc.", "edition": cast.acme.edition, **rows}
        answer = admin.post(f"/admin/people/customer/{cast.acme.pk}/change/", sent)
        assert "“XX” is no subdivision of United States" in plain(answer.content.decode())
        assert admin.get(f"/admin/people/customer/{cast.acme.pk}/move/").status_code == 200

    def test_nobody_is_moved_who_is_not_there(self, cast: Cast, admin: Client):
        assert admin.get("/admin/people/customer/999999/move/").status_code == 404
