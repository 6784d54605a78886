"""The page of points: its figures against a sample made by hand, its words, its pages, and whose they are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from points import services
from points.models import Cause, Charge, Lot, PurchaseKind
from points.queries import Story
from supportdesk import clock
from supportdesk.people.models import Contact, Customer, Edition
from supportdesk.people.services import sign_in_for
from supportdesk.portal import saying
from tests.cast import Cast
from tests.incidents_helpers import key, opened, signed_in, with_points
from tests.points.ledger import decided, on_hold
from tests.portal.test_lists import queries
from tests.portal.test_report import plain

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 27, 15, 20, tzinfo=UTC)


def on(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


def bought(customer: Customer, points: int, at: datetime, reason: str, **given: object) -> Lot:
    values = {"customer": customer, "points": points, "at": at, "reason": reason, "actor": None, "key": key()}
    return services.grant(**(values | given))  # type: ignore[arg-type]


def spent(customer: Customer, points: int, at: datetime, reference: str, channel: str = "email") -> Charge:
    return services.charge(
        customer_id=customer.pk,
        points=points,
        channel=channel,
        reference=reference,
        at=at,
        actor=None,
        key=key(),
    )


def given_back(charge: Charge, *, at: datetime) -> Lot:
    (made,) = services.credit_back(charge_id=charge.pk, at=at, actor=None, key=key(), reason="A bug")
    return made


@pytest.fixture
def sample(cast: Cast) -> Cast:
    """The year of the picture that this page is made after: 44 points on hand, 20 used, 10 expired."""
    invoice = {"kind": "invoice", "amount_minor": 24000, "currency": "GBP"}
    bought(cast.acme, 30, on(2025, 11, 20), "no. 4711", **invoice)
    bought(cast.acme, 4, on(2026, 1, 15), "we answered 102 116 late")
    charge = spent(cast.acme, 10, on(2026, 3, 2), "104826")
    spent(cast.acme, 10, on(2026, 5, 18), "103414")
    bought(cast.acme, 30, on(2026, 6, 3), "no. 4905", **invoice)
    given_back(charge, at=on(2026, 10, 12))
    return cast


def page(who: Contact, at: datetime = NOW, **asked: int) -> str:
    with clock.set_to(at):
        return signed_in(who).get("/points/", asked).content.decode()


@pytest.mark.rule("R1", "D1", "D2")
def test_the_three_cards(sample: Cast):
    said = plain(page(sample.owner))
    assert "On hand 44 points 4 mails, or 1 call and 1 mail" in said
    assert "Next to expire 4 through 15 Jan 2027 in 49 days; spent first, by themselves" in said
    assert "Used in twelve months 20 of 64 10 expired unused, last on 20 Nov 2026; 10 credited back" in said


@pytest.mark.rule("D1", "D3")
def test_the_picture_and_its_table(sample: Cast):
    html = page(sample.owner)
    said = plain(html)
    for words in (
        "10 of 30 expired bought 20 Nov 2025 through 20 Nov 2026",
        "4 of 4 left granted 15 Jan 2026 through 15 Jan 2027",
        "30 of 30 left bought 3 Jun 2026 through 3 Jun 2027",
        "10 of 10 left credited 12 Oct 2026 until 3 Jul 2027, 1:00",
        "Nov 25 Feb 26 May Aug Nov Feb 27 May Aug",
        "lives as long as its points had left when they were spent on 2 Mar 2026: 263 days.",
        "October 2026 54 November 2026 44 if nothing is spent",
        "May 2027 40 if nothing is spent June 2027 10 if nothing is spent July 2027 0 if nothing is spent",
    ):
        assert words in said
    [(label, drawn)] = re.findall(r'role="img" aria-label="([^"]*)">(.*?)</svg>', html, re.DOTALL)
    assert label == (
        "Balance: 0 on 1 Nov 2025, since then between 0 and 54, 44 today. "
        "If nothing is spent: 40 after 15 Jan 2027, 10 after 3 Jun 2027, 0 after 3 Jul 2027."
    )
    assert 'viewBox="0 0 720 60"' in html
    assert 'class="side-line" d="M386.43 16H434.52V20H573.0V50' in drawn, "today at 10:20 in New York"
    # The lots, first those that ended; what is left is as thick as its points.
    assert re.findall(r'class="life" x="[\d.]+" y="(\d+)" width="[\d.]+" height="(\d+)"', html) == [
        *(("0", "30"), ("26", "4"), ("0", "30"), ("20", "10")),
    ]
    assert len(re.findall('class="lotfill"', html)) == 3
    assert html.count('<li data-tone="waiting">') == 1


def test_no_style_and_no_script_stand_in_the_page(sample: Cast):
    html = page(sample.owner)
    assert "style=" not in html
    assert "<script" not in html


@pytest.mark.rule("D6")
def test_a_word_for_every_cause(sample: Cast):
    spent(sample.acme, 30, on(2026, 11, 26), "104834", "phone")
    lot = Lot.objects.filter(remaining__gt=0).latest("pk")
    hold = on_hold(lot, at=on(2026, 11, 26))
    decided(hold, "written_off", by=sample.admin, at=on(2026, 11, 26))
    html = page(sample.owner)
    said = plain(html)
    for words in (
        "20 Nov 2025 Invoice: no. 4711, GBP 240.00 +30 balance 30",
        "15 Jan 2026 Granted: we answered 102 116 late +4 balance 34",
        "2 Mar 2026 Incident 104\u202f826 by e-mail, lot of 20 Nov 2025 −10 balance 24",
        "12 Oct 2026 Credited: what incident 104\u202f826 cost +10 balance 54",
        "21 Nov 2026 Expired: what was left of the lot of 20 Nov 2025 −10 balance 44",
        "26 Nov 2026 Incident 104834 by telephone, lot of 15 Jan 2026 −4 balance 40",
        "Written off: points of the lot of 20 Nov 2025 −10",
    ):
        assert words.replace("\u202f", " ") in " ".join(said.replace(" ,", ",").split())
    assert html.count('href="/incidents/104826/"') == 2
    assert "10 written off" in said


@pytest.mark.parametrize(
    ("minor", "currency", "price"), [(24000, "JPY", ", JPY 24000"), (24050, "EUR", ", EUR 240.50"), (0, "", "")]
)
def test_a_pack_by_card(minor: int, currency: str, price: str):
    story = Story(
        cause=Cause.PURCHASE,
        kind=PurchaseKind.CARD,
        lot_points=30,
        lot_bought_at=NOW,
        reason="",
        amount_minor=minor,
        currency=currency,
        reference="",
        channel="",
    )
    assert saying.cause(story, "Europe/London").before == f"Bought: pack of 30, by card{price}"


@pytest.mark.rule("R1", "R4")
@pytest.mark.parametrize(
    ("points", "edition", "said"),
    [
        (0, Edition.ENTERPRISE, "too few for a mail, which needs 10"),
        (9, Edition.COMMUNITY, "too few for a mail, which needs 10"),
        (10, Edition.ENTERPRISE, "1 mail"),
        (29, Edition.ENTERPRISE, "2 mails"),
        (30, Edition.ENTERPRISE, "3 mails, or 1 call"),
        (44, Edition.ENTERPRISE, "4 mails, or 1 call and 1 mail"),
        (44, Edition.COMMUNITY, "4 mails"),
        (80, Edition.ENTERPRISE, "8 mails, or 2 calls and 2 mails"),
    ],
)
def test_what_points_are_worth(points: int, edition: str, said: str):
    assert saying.worth(points, edition) == said


@pytest.mark.rule("D1", "D7")
@pytest.mark.parametrize(
    ("before", "said", "soon"),
    [(31, "in 31 days;", False), (30, "in 30 days", True), (1, "tomorrow", True), (0, "today", True)],
)
def test_what_expires_within_thirty_days_is_marked(cast: Cast, before: int, said: str, soon: bool):
    bought(cast.acme, 8, on(2025, 12, 1), "For the test")
    html = page(cast.owner, datetime(2026, 12, 1, 23, tzinfo=UTC) - before * DAY)
    assert f"through 1 Dec 2026 {said} spent first, by themselves" in plain(html)
    assert ('data-tone="soon"' in html) is soon


@pytest.mark.rule("D1")
@pytest.mark.parametrize("written", [False, True])
def test_expired_points_are_gone_on_the_page_at_once(cast: Cast, written: bool):
    with_points(cast.acme, 8, at=datetime(2025, 12, 1, 15, 0, tzinfo=UTC))
    last = datetime(2026, 12, 2, 4, 59, 59, tzinfo=UTC)
    assert "On hand 8 points" in plain(page(cast.owner, last))
    gone = last + timedelta(seconds=1)
    if written:
        services.write_expiries(at=gone)
    said = plain(page(cast.owner, gone))
    assert "On hand 0 points too few for a mail" in said
    assert "Nothing: there are no points on hand." in said
    assert "Used in twelve months 0 of 8 8 expired unused, last on 1 Dec 2026" in said
    assert "8 of 8 expired granted 1 Dec 2025 through 1 Dec 2026" in said
    assert "Expired: what was left of the lot of 1 Dec 2025 −8 balance 0" in said


def test_before_the_first_points(cast: Cast):
    html = page(cast.stranger)
    said = plain(html)
    assert "On hand 0 points No points were bought yet." in said
    assert "Used in twelve months 0 of 0 none expired unused" in said
    assert "Nothing yet. Points are bought from the vendor" in said
    assert "Points in time" not in said
    assert "<table" not in html


def test_lots_without_a_bar_are_counted_in_words(cast: Cast):
    for n in range(20):
        bought(cast.acme, 1, NOW - n * DAY, "For the test")
    bought(cast.acme, 1, NOW - 700 * DAY, "For the test")
    html = page(cast.owner)
    assert html.count('class="life"') == 12
    assert (
        "8 more lots with points left, which expire later, are not shown. 1 older lot, spent or expired, is not"
        in plain(html)
    )
    assert 'viewBox="0 0 810 ' in html, "a lot of today ends in the 25th month"


def test_the_page_needs_as_many_queries_for_fifty_as_for_one(cast: Cast, clock_at: datetime):
    client = signed_in(cast.owner)
    none = queries(client, "/points/")
    opened(cast.owner, at=clock_at)
    one = queries(client, "/points/")
    for number in range(50):
        if number % 5 == 0:
            opened(cast.owner, at=clock_at)
        with_points(cast.acme, 1, at=clock_at - number * 10 * DAY)
    assert queries(client, "/points/") == one
    assert one == none + 1, "what of the charges went back to cards"
    assert one <= 15


@pytest.mark.parametrize("number", ["0", "-1", "x", "", "2", "9" * 9, "1e3", "٣", "1.5"])
def test_any_page_number_is_a_page(cast: Cast, clock_at: datetime, number: str):
    with_points(cast.acme, 8, at=clock_at)
    answer = signed_in(cast.owner).get("/points/", {"page": number})
    assert answer.status_code == 200
    assert "On hand 8 points" in plain(answer.content.decode())


def test_a_long_statement_has_pages(cast: Cast, clock_at: datetime):
    with_points(cast.acme, 2_000, at=clock_at)
    for number in range(105):
        spent(cast.acme, 10, clock_at + number * timedelta(minutes=1), f"REF{number}")
    first, second, third = (plain(page(cast.owner, clock_at + DAY, page=n)) for n in (1, 2, 3))
    assert "Incident REF104 by e-mail, lot of 1 Dec 2026 −10 balance 950" in first
    assert "REF54 " not in first
    assert "REF54 by e-mail" in second
    assert "For the test +2000 balance 2000" in third
    links = ("Newest lines", "Newer lines", "Older lines")
    assert [[link in text for link in links] for text in (first, second, third)] == [
        *([False, False, True], [True, False, True], [True, True, False]),
    ]
    assert f'href="?page=2#lines-{cast.acme.pk}"' in page(cast.owner, clock_at + DAY, page=3)


@pytest.mark.rule("D21")
def test_a_reseller_sees_each_customers_points_apart(cast: Cast, clock_at: datetime):
    with_points(cast.acme, 11, at=clock_at)
    with_points(cast.other, 42, at=clock_at)
    for customer in (cast.acme, cast.other):
        sign_in_for(contact=Contact.objects.create(customer=customer, name="Rea", email="rea@x.example"))
    client = signed_in(Contact.objects.filter(name="Rea").first())
    html = client.get("/points/").content.decode()
    assert "Acme Tools Statement as CSV On hand 11 points 1 mail Next" in plain(html)
    assert "Other Works Statement as CSV On hand 42 points 4 mails Next" in plain(html), "no calls (R4)"
    for customer in (cast.acme, cast.other):
        assert f"/points/statement.csv?customer={customer.pk}" in html
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert "11 Acme Tools" in plain(client.get("/").content.decode())


@pytest.mark.rule("D21", "D22")
def test_restricted_contacts_and_strangers_see_no_points(sample: Cast):
    with clock.set_to(NOW):
        assert signed_in(sample.restricted).get("/points/").status_code == 404
        assert Client().get("/points/").status_code == 302
        assert "4711" not in signed_in(sample.stranger).get("/points/").content.decode()
