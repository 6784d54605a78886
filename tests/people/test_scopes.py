"""Whose data somebody may see, as a value; and the words for places and numbers."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from incidents.access import incidents_for
from supportdesk.people import access
from supportdesk.people.models import Contact, User
from supportdesk.people.phones import e164, readable
from supportdesk.people.scope import NOBODY, Membership, Scope, scope_of, scope_of_contact
from supportdesk.people.services import lock_customer, sign_in_for
from tests.cast import Cast


@pytest.mark.rule("D22", "D21")
def test_the_scope_of_each(cast: Cast):
    def member(contact: Contact) -> tuple[Membership]:
        restricted = contact.restricted
        return (Membership(contact_id=contact.pk, customer_id=contact.customer_id, restricted=restricted),)

    for contact in (cast.owner, cast.restricted, cast.stranger):
        assert contact.user
        assert scope_of(contact.user) == Scope(user_id=contact.user.pk, memberships=member(contact))
        assert scope_of_contact(contact) == scope_of(contact.user)
    assert scope_of(cast.technician) == Scope(user_id=cast.technician.pk, desk=True)
    assert scope_of(cast.admin) == Scope(user_id=cast.admin.pk, desk=True, admin=True)
    assert scope_of(AnonymousUser()) == NOBODY


@pytest.mark.rule("D22")
def test_who_may_not_sign_in_sees_nothing(cast: Cast):
    cast.admin.is_active = False
    cast.admin.save()
    assert scope_of(cast.admin) == NOBODY
    cast.owner.removed_at = cast.acme.created_at
    cast.owner.save()
    assert cast.owner.user
    assert scope_of(cast.owner.user).memberships == ()
    assert scope_of_contact(cast.owner) == NOBODY


@pytest.mark.rule("D21")
def test_a_reseller_is_a_contact_of_two_customers_by_one_sign_in(cast: Cast, django_assert_num_queries):
    full = Contact.objects.create(customer=cast.other, name="Rea", email="rea@reseller.example")
    own = Contact.objects.create(customer=cast.acme, name="Rea", email="Rea@reseller.example", restricted=True)
    user = sign_in_for(contact=full)
    assert sign_in_for(contact=own) == user
    with django_assert_num_queries(1):
        scope = scope_of(user)
    # By the customer's name: Acme before Other.
    assert scope.customer_ids == (cast.acme.pk, cast.other.pk)
    assert scope.contact_ids == (own.pk, full.pk)
    assert scope.full_customer_ids == (cast.other.pk,)
    assert scope.membership(cast.acme.pk) == Membership(contact_id=own.pk, customer_id=cast.acme.pk, restricted=True)
    assert scope.membership(0) is None
    assert set(access.customers_for(scope)) == {cast.acme, cast.other}
    assert set(access.contacts_for(scope)) == {own, full, cast.stranger}
    assert set(access.contacts_by_email("REA@reseller.example ")) == {own, full}


@pytest.mark.rule("D21", "D22")
def test_what_each_may_see_of_people(cast: Cast):
    rufus, otto, tess = scope_of_contact(cast.restricted), scope_of_contact(cast.stranger), scope_of(cast.technician)
    assert set(access.contacts_for(scope_of_contact(cast.owner))) == {cast.owner, cast.restricted}
    assert set(access.contacts_for(rufus)) == {cast.restricted}
    assert set(access.contacts_for(otto)) == {cast.stranger}
    assert set(access.contacts_for(tess)) == {cast.owner, cast.restricted, cast.stranger}
    assert set(access.technicians_for(tess)) == {cast.technician, cast.colleague, cast.admin}
    assert not access.technicians_for(rufus).exists()
    for nobody in (access.contacts_for(NOBODY), access.customers_for(NOBODY), incidents_for(NOBODY)):
        assert not nobody.exists()


@pytest.mark.rule("D33")
def test_addresses_are_the_same_in_any_case(cast: Cast):
    made = User.objects.create_user("  New@Desk.Example ", name="New")
    assert (made.email, made.has_usable_password(), made.place_name) == ("new@desk.example", False, "UTC")
    assert User.objects.get_by_natural_key("NEW@desk.example") == made
    with pytest.raises(ValidationError):
        User.objects.create_user("NEW@desk.example", name="Again")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(email="NEW@DESK.example", name="Past the form")
    with pytest.raises(IntegrityError), transaction.atomic():
        Contact.objects.create(customer=cast.acme, name="Past the form", email="OLIVE@acme.example")
    with pytest.raises(IntegrityError), transaction.atomic():
        Contact.objects.create(customer=cast.acme, name="Nobody can reach")


@pytest.mark.rule("D21")
@pytest.mark.parametrize(
    ("zone", "given", "kept"),
    [("America/New_York", "", "New York"), ("Asia/Kolkata", "Pune", "Pune"), ("America/Sao_Paulo", "", "São Paulo")],
)
def test_staff_have_a_place_name_too(db: None, zone: str, given: str, kept: str):
    user = User.objects.create_user("x@desk.example", name="X", zone=zone, place_name=given)
    assert user.place_name == kept


def test_staff_have_a_zone_that_is_one(db: None):
    with pytest.raises(ValidationError, match="no time zone"):
        User.objects.create_user("x@desk.example", name="X", zone="Mars/Base")


@pytest.mark.rule("D37")
@pytest.mark.parametrize(
    ("typed", "country", "kept"),
    [
        ("030 901820", "DE", "+4930901820"),
        ("+1 (212) 555-0100", "DE", "+12125550100"),
        ("0011 44 131 496 0123", "AU", "+441314960123"),
        ("+49 30 901820 ext. 5", "", "+4930901820"),
    ],
)
def test_phone_numbers_are_kept_in_e164(typed: str, country: str, kept: str):
    assert e164(typed, country=country) == kept


@pytest.mark.parametrize(("typed", "country"), [("030 901820", ""), ("1", "DE"), ("", "DE"), ("+", ""), ("<b>", "DE")])
def test_what_is_no_phone_number_says_so_at_its_field(typed: str, country: str):
    with pytest.raises(ValidationError) as refused:
        e164(typed, country=country)
    assert list(refused.value.message_dict) == ["phone"]


def test_phone_numbers_are_read_in_groups():
    assert readable("+18667225492") == "+1 866-722-5492"
    assert readable("anything else") == "anything else"


def test_a_customer_is_locked_inside_a_transaction_only(committed_cast: Cast):
    with pytest.raises(RuntimeError):
        lock_customer(committed_cast.acme.pk)
    with transaction.atomic():
        assert lock_customer(committed_cast.acme.pk) == committed_cast.acme
