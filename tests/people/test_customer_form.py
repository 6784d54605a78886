"""A customer and its contacts in Django admin: every error at its field, nothing odd without a second look."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from supportdesk import places
from supportdesk.people.models import Contact, Customer, User
from tests.cast import Cast
from tests.incidents_helpers import signed_in

pytestmark = pytest.mark.rule("D21")
ADD = "/admin/people/customer/add/"


def form(*contacts: dict[str, str], **given: str) -> dict[str, str]:
    """What the browser sends: a customer in Munich and some contacts."""
    place = {"country": "DE", "subdivision": "BY", "zone": "Europe/Berlin", "place_name": ""}
    data = {"name": "Neu GmbH", "edition": "enterprise", **place, **given}
    data |= {"contacts-TOTAL_FORMS": str(len(contacts)), "contacts-INITIAL_FORMS": "0"}
    for row, contact in enumerate(contacts):
        data |= {f"contacts-{row}-{name}": value for name, value in contact.items()}
    return data


@pytest.fixture
def admin(cast: Cast) -> Client:
    return signed_in(cast.admin)


def errors(admin: Client, data: dict[str, str]) -> dict[str, list[str]]:
    """The errors of the customer's fields; empty where it was saved."""
    answer = admin.post(ADD, data)
    if answer.status_code == 302:
        return {}
    return dict(answer.context["adminform"].form.errors)


def contact_errors(admin: Client, data: dict[str, str]) -> list[dict[str, Any]]:
    answer = admin.post(ADD, data)
    assert answer.status_code == 200
    (formset,) = answer.context["inline_admin_formsets"]
    return [dict(row) for row in formset.formset.errors]


@pytest.mark.rule("D23")
@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"zone": "Europe/Münich"}, "zone", "is no time zone. Give it as Region/City, for example Europe/Berlin."),
        ({"zone": "EST5"}, "zone", "is no time zone"),
        ({"zone": "europe/berlin"}, "zone", "is no time zone"),
        ({"zone": ""}, "zone", "required"),
        ({"country": "UK"}, "country", "is no country code"),
        ({"country": "D"}, "country", "is no country code"),
        ({"country": "Ge"}, "country", "“Ge” is no country code. Choose the country from the list."),
        ({"country": "Germany"}, "country", "Choose the country from the list."),
        ({"country": "de"}, "country", "is no country code"),
        ({"country": ""}, "country", "required"),
        ({"subdivision": "XX"}, "subdivision", "“XX” is no subdivision of Germany. Known are: BB, BE, BW, BY"),
        ({"country": "LU", "zone": "Europe/Luxembourg"}, "subdivision", "has no subdivisions here. Leave this empty."),
    ],
)
def test_a_place_that_is_none_is_an_error_at_its_field(admin: Client, given: dict[str, str], field: str, said: str):
    before = Customer.objects.count()
    found = errors(admin, form(**given))
    assert list(found) == [field]
    (words,) = found[field]
    assert said in words
    assert Customer.objects.count() == before


@pytest.mark.rule("D23")
def test_a_country_whose_holidays_nobody_knows_is_refused_with_what_to_do(
    admin: Client, monkeypatch: pytest.MonkeyPatch
):
    known = tuple(code for code in places.countries() if code != "SY")
    monkeypatch.setattr(places, "countries", lambda: known)
    found = errors(admin, form(country="SY", subdivision="", zone="Asia/Damascus"))
    assert found == {
        "country": [
            "No holidays are known for Syria, so business hours cannot be promised there. "
            "Choose the country whose holidays shall count."
        ]
    }


def test_a_zone_of_another_country_is_asked_about_once_more(admin: Client):
    found = errors(admin, form(country="AT", subdivision="", zone="America/New_York"))
    assert found["zone"] == ["No part of Austria uses America/New_York; its own are: Europe/Vienna."]
    assert found["save_anyway"] == ["Tick this to save it as it is."]
    assert not Customer.objects.filter(country="AT").exists()

    assert errors(admin, form(country="AT", subdivision="", zone="America/New_York", save_anyway="on")) == {}
    assert Customer.objects.get(country="AT").zone == "America/New_York"


@pytest.mark.rule("D23")
def test_countries_are_chosen_by_name_and_subdivisions_suggested(admin: Client, cast: Cast):
    page = admin.get(f"/admin/people/customer/{cast.other.pk}/move/").content.decode()
    assert '<option value="DE" selected>Germany (DE)</option>' in page
    assert '<option value="GE">Georgia (GE)</option>' in page
    assert '<option value="Europe/Berlin" selected>Berlin (Europe/Berlin)</option>' in page
    assert '<datalist id="id_subdivision_list">' in page
    assert '<option value="BY">Bayern</option>' in page
    empty = admin.get(ADD).content.decode()
    assert "<datalist" not in empty


def test_save_anyway_saves_no_place_that_is_none(admin: Client):
    assert list(errors(admin, form(zone="Mars/Base", save_anyway="on"))) == ["zone"]


def test_an_older_name_of_the_countrys_own_zone_is_no_warning(admin: Client):
    assert errors(admin, form(country="IN", subdivision="KA", zone="Asia/Calcutta")) == {}


@pytest.mark.parametrize(
    ("zone", "given", "kept"),
    [("Europe/Berlin", "", "Berlin"), ("Europe/Berlin", "München", "München"), ("Europe/Busingen", "", "Busingen")],
)
def test_the_place_name_is_the_zones_city_unless_it_is_given(admin: Client, zone: str, given: str, kept: str):
    assert errors(admin, form(subdivision=" bayern ", country="DE", zone=zone, place_name=given)) == {}
    customer = Customer.objects.get(name="Neu GmbH")
    assert (customer.place_name, customer.country, customer.subdivision) == (kept, "DE", "BY")


@pytest.mark.parametrize(
    ("contact", "field", "said"),
    [
        ({"name": "Nina"}, "__all__", "Give an e-mail address or a phone number: one of them at least."),
        ({"name": "Nina", "email": "nina@"}, "email", "Enter a valid email address."),
        ({"name": "Nina", "phone": "call me"}, "phone", "“call me” is no phone number."),
        ({"name": "Nina", "phone": "+49"}, "phone", "Begin with + and the country code."),
        ({"email": "nina@neu.example"}, "name", "required"),
    ],
)
def test_a_contact_can_be_reached(admin: Client, contact: dict[str, str], field: str, said: str):
    (found,) = contact_errors(admin, form(contact))
    assert list(found) == [field]
    assert said in found[field][0]
    assert not Customer.objects.filter(name="Neu GmbH").exists()


@pytest.mark.rule("D33")
def test_a_contact_with_an_address_can_sign_in_at_once(admin: Client):
    given = ({"name": "Nina", "email": "Nina@Neu.example"}, {"name": "Paul", "phone": "+49 30 901820"})
    assert errors(admin, form(*given)) == {}
    nina, paul = Contact.objects.filter(customer__name="Neu GmbH").order_by("name")
    assert nina.email == "nina@neu.example"
    assert nina.user is not None
    assert (nina.user.email, nina.user.has_usable_password()) == ("nina@neu.example", False)
    assert (paul.user, paul.phone) == (None, "+4930901820")


@pytest.mark.rule("D37")
def test_a_national_number_is_read_in_the_customers_country(admin: Client, cast: Cast):
    contact = Contact(customer=cast.other, name="Paul", phone="(030) 90 18-20")
    contact.full_clean()
    assert contact.phone == "+4930901820"


@pytest.mark.parametrize("second", ["olive@acme.example", "OLIVE@Acme.example"])
def test_one_address_is_one_contact_of_a_customer(cast: Cast, admin: Client, second: str):
    rows = [{"name": "Again", "email": second, "customer": str(cast.acme.pk)}]
    place = {"country": "US", "subdivision": "NY", "zone": "America/New_York", "name": "Acme Tools"}
    answer = admin.post(f"/admin/people/customer/{cast.acme.pk}/change/", form(*rows, **place))
    assert answer.status_code == 200
    (formset,) = answer.context["inline_admin_formsets"]
    assert "has a contact with this e-mail address already" in str(formset.formset.errors)
    assert cast.acme.contacts.count() == 2

    cast.owner.removed_at = cast.acme.created_at
    cast.owner.save()
    answer = admin.post(f"/admin/people/customer/{cast.acme.pk}/change/", form(*rows, **place))
    assert answer.status_code == 302, "who has left does not stand in the way"


def test_one_address_twice_in_one_form_is_an_error_too(admin: Client):
    rows = [{"name": "Nina", "email": "nina@neu.example"}, {"name": "Nina Neu", "email": "Nina@neu.example"}]
    answer = admin.post(ADD, form(*rows))
    assert answer.status_code == 200
    assert "has a contact with this e-mail address already" in answer.content.decode()
    assert not Customer.objects.filter(name="Neu GmbH").exists()


def test_one_address_of_two_customers_is_one_who_signs_in(admin: Client, cast: Cast):
    assert errors(admin, form({"name": "Otto too", "email": "otto@other.example"})) == {}
    contact = Contact.objects.get(name="Otto too")
    assert contact.user == cast.stranger.user
    assert User.objects.filter(email="otto@other.example").count() == 1


@pytest.mark.rule("D22")
def test_an_admin_makes_a_technician(admin: Client):
    data = {
        "email": "New.Tech@Desk.example",
        "name": "New Tech",
        "usable_password": "true",
        "password1": "correct horse battery",
        "password2": "correct horse battery",
        "zone": "Europe/Berlin",
        "place_name": "",
        "is_technician": "on",
    }
    assert admin.post("/admin/people/user/add/", data).status_code == 302
    made = User.objects.get(email="new.tech@desk.example")
    assert (made.is_technician, made.is_staff, made.place_name) == (True, False, "Berlin")
    assert made.check_password("correct horse battery")
    answer = admin.post("/admin/people/user/add/", data | {"email": "new.tech@DESK.example"})
    assert answer.status_code == 200
    assert "email" in answer.context["adminform"].form.errors
    answer = admin.post("/admin/people/user/add/", data | {"email": "x@desk.example", "zone": "Mars"})
    assert list(answer.context["adminform"].form.errors) == ["zone"]
