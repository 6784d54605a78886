"""Who is calling: found by whatever one types, ranked, in a bounded number of rows (D20)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from supportdesk.people.finding import LOOKED_AT, SHOWN, Fit, by_phone_number, find_people, fold
from supportdesk.people.models import Contact, Customer
from supportdesk.people.phones import dialled, endings, is_whole
from supportdesk.people.scope import NOBODY, Scope, scope_of, scope_of_contact
from supportdesk.people.services import ContactExists, add_contact
from tests.cast import Cast
from tests.points.ledger import owner_sql, sql
from tests.points.test_rows_read import rows_read

pytestmark = pytest.mark.rule("D20")
DESK = Scope(user_id=1, desk=True)
# Written, dialled or shown by a telephone system, and the number that it is.
WHOLE = [
    ("+49 30 901820", "+4930901820"),
    ("+49-30-901820", "+4930901820"),
    ("+49 (0)30 / 90 18-20", "+4930901820"),
    ("0049 30 901820", "+4930901820"),
    ("0049 (0) 30 901820", "+4930901820"),
    ("49 30 901820", "+4930901820"),
    ("030 901820", "+4930901820"),
    ("030/90 18-20", "+4930901820"),
    ("(030) 901820", "+4930901820"),
    ("011 49 30 901820", "+4930901820"),
    ("0011 49 30 901820", "+4930901820"),
    ("010 49 30 901820", "+4930901820"),
    ("810 49 30 901820", "+4930901820"),
    ("tel:+49-30-901820", "+4930901820"),
    ("tel:+4930901820;phone-context=desk", "+4930901820"),
    ("sip:+4930901820@pbx.example;user=phone", "+4930901820"),
    (" 4930901820", "+4930901820"),
    ("٠٣٠ ٩٠١٨٢٠", "+4930901820"),
    ("＋４９ ３０ ９０１８２０", "+4930901820"),
    ("+49\u00a030\u202f901820", "+4930901820"),
    ("902 555 0173", "+19025550173"),
    ("(902) 555-0173", "+19025550173"),
    ("1-902-555-0173", "+19025550173"),
    ("902.555.0173", "+19025550173"),
    ("+1 (902) 555‑0173", "+19025550173"),
    ("+1 902 555 0173 ext 5", "+19025550173"),
    ("+1 902 555 0173 x5", "+19025550173"),
    ("020 7946 0958", "+442079460958"),
    ("+44 (0)20 7946 0958", "+442079460958"),
    ("8 (495) 123-45-67", "+74951234567"),
    ("06 1 234 5678", "+3612345678"),
    ("06 6982", "+39066982"),
    ("01 23 45 67 89", "+33123456789"),
]
NONE = ["", " ", "+", "12", "anonymous", "Restricted", "\x00", "<b>", "+49 abc", "1" * 25, "+" * 300, "1e9", "tel:"]


@pytest.mark.rule("D37")
@pytest.mark.parametrize(("typed", "stored"), WHOLE)
def test_a_number_is_known_in_every_form(typed: str, stored: str):
    assert is_whole(typed, stored)
    assert any(stored.endswith(ending) for ending in endings(typed))
    assert not is_whole(typed, stored[:-1] + str((int(stored[-1]) + 1) % 10))


@pytest.mark.parametrize("typed", NONE)
def test_what_is_no_number_is_none(typed: str):
    assert dialled(typed) == ""
    assert endings(typed) == ()


@pytest.mark.parametrize("typed", ["0173", "5550173", "555 01 73", "25550173"])
def test_last_digits_are_not_the_whole(typed: str):
    assert "+19025550173".endswith(endings(typed)[0])
    assert not is_whole(typed, "+19025550173")


def test_the_database_folds_as_we_do(cast: Cast):
    """Every letter of two bytes, in both cases: the query must mean what the index holds."""
    letters = "".join(chr(n) for n in range(32, 0x250) if chr(n).isprintable() and chr(n) not in "İ")
    [(folded,)] = sql("SELECT people_folded(%s)", letters)
    assert folded == fold(letters)


def person(customer: Customer, name: str, *, email: str = "", phone: str = "") -> Contact:
    email = email or ("" if phone else f"{fold(name).replace(' ', '.')}@{customer.pk}.example")
    return Contact.objects.create(customer=customer, name=name, email=email, phone=phone)


def house(name: str) -> Customer:
    return Customer.objects.create(name=name, country="CA", subdivision="NS", zone="America/Halifax")


@pytest.fixture
def saltmarsh(cast: Cast) -> Customer:
    customer = house("Saltmarsh Charts")
    person(customer, "Tove Lindqvist", email="t.lindqvist@saltmarsh.example", phone="+19025550173")
    person(customer, "Ben Acheson", phone="+19025550199")
    person(house("Bluefen Müller & Söhne"), "Rui Saltér", email="rui@bluefen.example", phone="+4930901820")
    return customer


def names(text: str, scope: Scope = DESK) -> list[str]:
    return [hit.contact.name for hit in find_people(scope, text).hits]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("tove", ["Tove Lindqvist"]),
        ("lindq", ["Tove Lindqvist"]),
        ("LINDQVIST tove", ["Tove Lindqvist"]),
        ("tove saltmarsh", ["Tove Lindqvist"]),
        ("charts ben", ["Ben Acheson"]),
        ("saltm", ["Ben Acheson", "Tove Lindqvist"]),
        ("salt", ["Rui Saltér", "Ben Acheson", "Tove Lindqvist"]),
        ("salter", ["Rui Saltér"]),
        ("SALTÉR", ["Rui Saltér"]),
        ("muller sohne", ["Rui Saltér"]),
        ("müller", ["Rui Saltér"]),
        ("to", ["Tove Lindqvist", "Olive Owner", "Rufus Restricted"]),
        ("li", ["Tove Lindqvist"]),
        ("t.lindqvist@saltmarsh.example", ["Tove Lindqvist"]),
        ("T.LINDQ", ["Tove Lindqvist"]),
        ("<rui@bluefen.example>", ["Rui Saltér"]),
        ("0173", ["Tove Lindqvist"]),
        ("902 555", []),
        ("(902) 555-0199", ["Ben Acheson"]),
        ("001 902 555 0199", ["Ben Acheson"]),
        ("030 901820", ["Rui Saltér"]),
        ("nobody here", []),
        ("%", []),
        ("_ove", []),
        ("\\", []),
        ("t", []),
        ("", []),
        ("'; --", []),
        ("\x00\x00", []),
        ("x" * 5000, []),
    ],
)
def test_people_are_found(saltmarsh: Customer, typed: str, found: list[str]):
    assert names(typed) == found


def test_the_whole_number_comes_before_last_digits(saltmarsh: Customer):
    person(saltmarsh, "Ada First", phone="+4922225550173")
    hits = find_people(DESK, "902 555 0173").hits
    assert [(hit.contact.name, hit.fit) for hit in hits] == [("Tove Lindqvist", Fit.NUMBER)]
    assert [hit.fit for hit in find_people(DESK, "5550173").hits] == [Fit.LAST_DIGITS, Fit.LAST_DIGITS]
    assert [one.name for one in by_phone_number(DESK, "+1 902 555 0173")] == ["Tove Lindqvist"]
    assert by_phone_number(DESK, "5550173") == []


def test_a_list_is_cut_and_says_so(saltmarsh: Customer):
    for n in range(SHOWN + 1):
        person(saltmarsh, f"Many Of Them {n:02}")
    found = find_people(DESK, "many")
    assert len(found.hits) == SHOWN
    assert found.more
    assert not find_people(DESK, "tove").more


def test_words_that_many_have_find_the_one_who_has_both(cast: Cast):
    """More organisations begin with that word than are looked at, and more people have that name."""
    houses = Customer.objects.bulk_create(
        Customer(name=f"Harbour {n:03}", country="CA", zone="America/Halifax") for n in range(LOOKED_AT + 20)
    )
    Contact.objects.bulk_create(Contact(customer=cast.acme, name="Tove", phone="+1") for _n in range(LOOKED_AT + 20))
    person(houses[-1], "Tove Lindqvist")
    assert names("tove harbour") == ["Tove Lindqvist"]
    assert names("harbour 119 tove") == ["Tove Lindqvist"]
    assert [customer.name for customer in find_people(DESK, "Harbour 119").customers] == ["Harbour 119"]
    assert names("Harbour 119") == ["Tove Lindqvist"]


def test_an_organisation_without_people_is_found(saltmarsh: Customer):
    house("Quiet Harbour")
    assert [customer.name for customer in find_people(DESK, "quiet").customers] == ["Quiet Harbour"]


@pytest.mark.rule("D22")
def test_nobody_finds_whom_they_may_not_see(saltmarsh: Customer, cast: Cast):
    Contact.objects.filter(name="Ben Acheson").update(removed_at=datetime(2026, 1, 1).astimezone())
    assert names("ben") == []
    assert names("tove", NOBODY) == []
    assert find_people(NOBODY, "saltmarsh").customers == ()
    assert names("tove", scope_of(cast.owner.user)) == []  # type: ignore[arg-type]
    assert names("rufus", scope_of_contact(cast.owner)) == ["Rufus Restricted"]


@pytest.mark.parametrize(
    "typed", ["tove", "tove saltmarsh", "salt", "muller", "902 555 0173", "0173", "t.lin", "x y z"]
)
def test_as_many_questions_whatever_is_found(saltmarsh: Customer, typed: str):
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            find_people(DESK, typed)
        return len(queries)

    few = asked()
    for n in range(40):
        person(saltmarsh, f"Tove Salty {n}", email=f"t.lin{n}@saltmarsh.example", phone=f"+4930{n:02}90250173")
    assert asked() <= few <= 6


SEARCHES = [
    "Person x77x",
    "x77x House",
    "house x77x",
    "p77x@",
    "+49 30 5000077",
    "0305000077",
    "5000077",
    "nobody at all",
]


def test_as_many_rows_are_read_among_many_as_among_few(committed_cast: Cast):
    """Each search by an index, of a bounded number of rows: the same for 1,000 people and for 20,000."""
    read: dict[int, list[dict[str, int]]] = {}
    for size in (1_000, 20_000):
        sql(
            """INSERT INTO people_customer (name, edition, country, subdivision, zone, place_name)
               SELECT 'House x' || n || 'x Works', 'enterprise', 'DE', 'BE', 'Europe/Berlin', 'Berlin'
               FROM generate_series((SELECT count(*) FROM people_customer) + 1, %s) n""",
            size,
        )
        sql(
            """INSERT INTO people_contact (customer_id, name, email, phone, restricted, is_administrator, bounce)
               SELECT max(c.id), 'Person x' || n || 'x', 'p' || n || 'x@example.example',
                      '+4930' || (5000000 + n), false, false, ''
               FROM generate_series((SELECT count(*) FROM people_contact) + 1, %s) n
               JOIN people_customer c ON c.name = 'House x' || n || 'x Works' GROUP BY n""",
            size,
        )
        owner_sql("VACUUM ANALYZE")
        read[size] = [rows_read(lambda text=text: find_people(DESK, text)) for text in SEARCHES]  # type: ignore[misc]
    for text, few, many in zip(SEARCHES, read[1_000], read[20_000], strict=True):
        # An index of threes brings one or two that only look like it: x7777x has all pieces of x77x.
        assert sum(many.values()) <= sum(few.values()) + 2, (text, few, many)


def test_the_planner_takes_the_indexes(committed_cast: Cast):
    """With everything that it may choose from, it reads no table whole."""
    sql(
        """INSERT INTO people_contact (customer_id, name, email, phone, restricted, is_administrator, bounce)
           SELECT %s, 'Person x' || n || 'x', 'p' || n || 'x@example.example',
                  '+4930' || (5000000 + n), false, false, ''
           FROM generate_series(1, 20000) n""",
        committed_cast.acme.pk,
    )
    owner_sql("VACUUM ANALYZE")
    for text in ("person x7777x", "0305007777", "p7777x@ex"):
        with CaptureQueriesContext(connection) as queries:
            find_people(DESK, text)
        for query in queries.captured_queries:
            plan = "\n".join(row[0] for row in sql(f"EXPLAIN {query['sql']}".replace("%", "%%")))
            assert "Seq Scan on people_contact" not in plan, (text, plan)


class TestANewContact:
    def test_on_the_line(self, cast: Cast):
        made = add_contact(customer_id=cast.acme.pk, name="  Nina  New ", phone="(212) 555-0147")
        assert (made.name, made.phone, made.email, made.restricted) == ("Nina New", "+12125550147", "", True)
        assert add_contact(customer_id=cast.acme.pk, name="nina new", phone="+1 212 555 0147") == made
        mailed = add_contact(customer_id=cast.acme.pk, name="Max Mail", email="MAX@acme.example")
        assert mailed.email == "max@acme.example"
        assert mailed.user is not None

    def test_who_is_there_already_is_said(self, cast: Cast):
        with pytest.raises(ContactExists) as by_mail:
            add_contact(customer_id=cast.acme.pk, name="Olive Twice", email="Olive@ACME.example")
        assert (by_mail.value.contact, by_mail.value.field) == (cast.owner, "email")
        first = add_contact(customer_id=cast.acme.pk, name="Nina New", phone="+12125550147")
        with pytest.raises(ContactExists) as by_phone:
            add_contact(customer_id=cast.acme.pk, name="Noel New", phone="212-555-0147")
        assert (by_phone.value.contact, by_phone.value.field) == (first, "phone")
        desk = add_contact(customer_id=cast.acme.pk, name="Noel New", phone="212-555-0147", shared=True)
        assert desk != first
        # A reseller is a contact of several customers (D21).
        assert add_contact(customer_id=cast.other.pk, name="Olive Owner", email="olive@acme.example").pk

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"name": " "}, "name"),
            ({"name": "N" * 121}, "name"),
            ({"phone": "12"}, "phone"),
            ({"phone": "call me"}, "phone"),
            ({"phone": "", "email": "nobody"}, "email"),
        ],
    )
    def test_what_is_wrong_is_said_at_its_field(self, cast: Cast, given: dict[str, Any], field: str):
        before = Contact.objects.count()
        with pytest.raises(ValidationError) as refused:
            add_contact(customer_id=cast.acme.pk, **{"name": "Nina", "phone": "+12125550147", **given})
        assert field in refused.value.message_dict
        assert Contact.objects.count() == before

    def test_one_of_address_and_number_is_needed(self, cast: Cast):
        with pytest.raises(ValidationError):
            add_contact(customer_id=cast.acme.pk, name="Nina New")
