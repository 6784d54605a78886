"""``check_ledger`` finds nothing in a ledger that was kept, and every kind of difference in one that was not (D6)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import transaction

from points.models import Charge
from points.services import write_expiries
from supportdesk.roles import as_owner
from tests.cast import Cast
from tests.points.ledger import (
    back,
    bought,
    charged,
    checked,
    decided,
    given,
    on_hold,
    owner_sql,
    said,
    sql,
    to_card,
)

pytestmark = pytest.mark.rule("D6")

TABLES = ("entry", "lot", "charge", "purchase", "giveback", "tally", "refund", "payment", "hold", "holddecision")
ADD = (
    "INSERT INTO points_entry (customer_id, lot_id, charge_id, cause, points, at, key)"
    " SELECT customer_id, lot_id, charge_id, '{}', {}, at, 'planted' FROM points_entry WHERE {} ORDER BY id LIMIT 1"
)
OF_OTHER = "SET customer_id = (SELECT id FROM people_customer WHERE name = 'Other Works')"
LAST_LOT = "(SELECT max(id) FROM points_lot)"

PLANTED = {
    "points on a lot": (
        "UPDATE points_lot SET remaining = remaining + 1 WHERE remaining < points",
        r"lot \d+: \d+ left by its row, -?\d+ by",
    ),
    "an entry less": (
        "DELETE FROM points_entry WHERE cause = 'charge'",
        r"charge \d+: costs 10 points, its entries pay 0",
    ),
    "an entry more": (ADD.format("writeoff", -1, "cause = 'purchase'"), r"lot \d+: \d+ left by its row, -?\d+ by"),
    "a lot that nothing opened": ("DELETE FROM points_entry WHERE cause = 'purchase'", r"lot \d+: opened by 0 entries"),
    "a lot opened with less": (
        "UPDATE points_entry SET points = points - 1 WHERE cause = 'purchase'",
        r"lot \d+: opened by 1 entries with 29 points, has 30",
    ),
    "spent more than was there": (
        ADD.format("writeoff", -1000, "cause = 'purchase'"),
        r"lot \d+: overspent, its entries sum to -\d+",
    ),
    "a charge that costs more": (
        "UPDATE points_charge SET points = 11",
        r"charge \d+: costs 11 points, its entries pay 10",
    ),
    "a charge without entries": (
        "INSERT INTO points_charge (customer_id, points, channel, reference, charged_at, key)"
        " SELECT customer_id, 5, 'email', '', now(), 'planted' FROM points_charge",
        r"charge \d+: costs 5 points, its entries pay 0",
    ),
    "an entry at another instant than its charge": (
        "UPDATE points_entry SET at = at + interval '1 hour' WHERE cause = 'charge'",
        r"entry \d+: counts at .*, its charge",
    ),
    "a purchase of more": ("UPDATE points_purchase SET points = points + 1", r"purchase \d+: 31 points, its lots 30"),
    "a purchase without a lot": (
        "INSERT INTO points_purchase (customer_id, kind, points, amount_minor, currency, bought_at, bought_on, zone,"
        " reason, provider, provider_ref, key) SELECT customer_id, kind, 5, 0, '', bought_at, bought_on, zone,"
        " reason, '', '', 'planted' FROM points_purchase LIMIT 1",
        r"purchase \d+: 5 points, its lots 0",
    ),
    "a charge after the expiry": (
        "UPDATE points_entry SET at = at + interval '3 years' WHERE cause = 'charge'",
        r"entry \d+: spends lot \d+ at .*, after it expired",
    ),
    "an expiry at another instant": (
        "UPDATE points_entry SET at = at + interval '1 day' WHERE cause = 'expiry'",
        r"entry \d+: lot \d+ expires at .*, the entry counts at",
    ),
    "an expiry of half": (
        "UPDATE points_entry SET points = points + 1 WHERE cause = 'expiry';"
        " UPDATE points_lot SET remaining = 1 WHERE remaining = 0",
        r"lot \d+: expired, and 1 points are left",
    ),
    "an entry of another customer": (
        f"UPDATE points_entry {OF_OTHER} WHERE cause = 'expiry'",
        r"entry \d+: of customer \d+, its lot of customer",
    ),
    "a charge of another customer": (f"UPDATE points_charge {OF_OTHER}", r"entry \d+: of customer \d+, its charge of"),
    "a purchase of another customer": (
        f"UPDATE points_purchase {OF_OTHER}",
        r"lot \d+: of customer \d+, its purchase of",
    ),
    "a lot bought at another instant": (
        "UPDATE points_lot SET bought_at = bought_at - interval '1 second'",
        r"lot \d+: bought at .*, its purchase at",
    ),
    "a lot that lives longer": (
        f"UPDATE points_lot SET expires_at = expires_at + interval '1 hour' WHERE id = {LAST_LOT}",
        r"lot \d+: expires at .*, by D1",
    ),
    "a purchase that is gone": ("DELETE FROM points_purchase", r"lot \d+: its purchase \d+ is not there"),
    "a lot that is gone": ("DELETE FROM points_lot", r"entry \d+: its lot \d+ is not there"),
    "a charge that is gone": ("DELETE FROM points_charge", r"entry \d+: its charge \d+ is not there"),
    "a purchase of another date": (
        "UPDATE points_purchase SET bought_on = bought_on + 1",
        r"purchase \d+: bought on 2026-12-\d+, in America/New_York it was 2026-12-\d+",
    ),
}
PLANTED_TALLIES = {
    "points on a tally": (
        "UPDATE points_tally SET points = points - 1 WHERE cause = 'charge'",
        r"tally of customer \d+, (15|60) minutes from .*, charge: has -11 points, its entries -10",
    ),
    "a tally that is gone": (
        "DELETE FROM points_tally WHERE minutes = 60",
        r"tally of .*: has  points, its entries 30",
    ),
    "a tally of nothing": (
        "UPDATE points_tally SET begins = begins - interval '5 days' WHERE cause = 'expiry'",
        r"tally of .*, expiry: has -\d+ points, its entries 0",
    ),
    "a tally with another instant": (
        "UPDATE points_tally SET last_at = last_at - interval '1 second'",
        r"tally of .*: has 30 points, its entries 30",
    ),
}
CREDIT = "WHERE origin = 'credit'"
# In a ledger that gave its charge back (D3, D4).
PLANTED_CREDITS = {
    "a credit of more": (
        f"UPDATE points_lot SET points = points + 5, remaining = remaining + 5 {CREDIT};"
        " UPDATE points_entry SET points = points + 5 WHERE cause = 'credit'",
        r"credit \d+: gives back 15 points, charge \d+ drew 10",
    ),
    "a credit of a lot that paid nothing": (
        f"UPDATE points_lot SET from_lot_id = {LAST_LOT} {CREDIT}",
        r"credit \d+: gives back 10 points, charge \d+ drew 0",
    ),
    "a leg credited twice": (
        "ALTER TABLE points_lot DROP CONSTRAINT lot_credited_once_a_leg;"
        " INSERT INTO points_lot (customer_id, purchase_id, origin, from_lot_id, from_charge_id, points, remaining,"
        " bought_at, expires_at) SELECT customer_id, purchase_id, origin, from_lot_id, from_charge_id, points, 0,"
        f" bought_at, expires_at FROM points_lot {CREDIT}",
        r"charge \d+: given back 2 times for lot \d+",
    ),
    "a credit of another purchase": (
        f"UPDATE points_lot SET purchase_id = (SELECT max(id) FROM points_purchase) {CREDIT}",
        r"credit \d+: of purchase \d+ and customer \d+, its lot",
    ),
    "a credit of another customer": (f"UPDATE points_lot {OF_OTHER} {CREDIT}", r"credit \d+: of purchase \d+ and cus"),
    "a credit whose entry names nothing": (
        "UPDATE points_entry SET charge_id = NULL WHERE cause = 'credit'",
        r"credit \d+: of charge \d+, its entry names charge $",
    ),
    "a credit at another instant than it was given": (
        "UPDATE points_giveback SET at = at - interval '1 hour'",
        r"credit \d+: counts at .*, charge \d+ was given back at",
    ),
    "a credit that nobody gave": ("DELETE FROM points_giveback", r"credit \d+: nobody gave charge \d+ back"),
    "a charge given back with less": (
        f"UPDATE points_lot SET points = 9, remaining = 9 {CREDIT}",
        r"charge \d+: costs 10 points, given back with 9",
    ),
    "a credit that lives longer": (
        f"UPDATE points_lot SET expires_at = expires_at + interval '1 hour' {CREDIT}",
        r"credit \d+: ends at .*, by D3",
    ),
    "a credit that lives shorter": (
        f"UPDATE points_lot SET expires_at = expires_at - interval '1 microsecond' {CREDIT}",
        r"credit \d+: ends at .*, by D3",
    ),
    "a later end that was not used": (
        "UPDATE points_giveback SET expires_at = now() + interval '9 years'",
        r"credit \d+: ends at .*, by D3",
    ),
}
# In a ledger with a refund paid back, one that failed, a hold that stands and one that was written off (D4, D5, D32).
PLANTED_CARDS = {
    "a refund of more than its leg": (
        "UPDATE points_refund SET points = points + 1 WHERE state = 'done'",
        r"refund \d+: of 11 points, purchase \d+ paid 10 of charge",
    ),
    "a refund of a purchase that paid nothing": (
        "UPDATE points_refund SET purchase_id = (SELECT max(id) FROM points_purchase) WHERE state = 'done'",
        r"refund \d+: of 10 points, purchase \d+ paid 0 of charge",
    ),
    "a refund of a charge that came back as points": (
        "UPDATE points_giveback SET means = 'points' WHERE id = (SELECT giveback_id FROM points_refund"
        " WHERE state = 'done')",
        r"refund \d+: of 10 points, purchase \d+ paid 0 of charge $",
    ),
    "a leg that was lost": (
        "DELETE FROM points_refund WHERE state = 'done'",
        r"charge \d+: costs 10 points, goes back to cards with 0",
    ),
    "failed without its points": (
        "UPDATE points_refund SET state = 'failed' WHERE state = 'done'",
        r"refund \d+: is failed, 0 of its 10 points were credited",
    ),
    "points without failure": (
        "UPDATE points_refund SET state = 'done', provider_ref = 'x' WHERE state = 'failed'",
        r"refund \d+: is done, 10 of its 10 points were credited",
    ),
    "points of a leg that is gone": (
        "DELETE FROM points_refund WHERE state = 'failed'",
        r"credit \d+: of charge \d+, which goes back to a card and has no refund",
    ),
    "more paid back than was paid": (
        "UPDATE points_refund SET amount_minor = 24001 WHERE state = 'done'",
        r"purchase \d+: 24000 paid for 30 points, 24001 paid back for 10",
    ),
    "all paid back, and not all of it": (
        "UPDATE points_refund SET points = 30 WHERE state = 'done'",
        r"purchase \d+: 24000 paid for 30 points, 8000 paid back for 30",
    ),
    "a refund in another currency": (
        "UPDATE points_refund SET currency = 'USD' WHERE state = 'done'",
        r"refund \d+: in USD, purchase \d+ was paid by card in EUR",
    ),
    "a refund of an invoice": (
        "UPDATE points_purchase SET kind = 'invoice', provider = '', provider_ref = '', card_last4 = '', reason = 'x'",
        r"refund \d+: in EUR, purchase \d+ was paid by invoice",
    ),
    "held without a hold": (
        "UPDATE points_lot SET held = true WHERE NOT held",
        r"lot \d+: on hold by its row, purchase \d+ has 0 open holds",
    ),
    "free in spite of a hold": (
        "UPDATE points_lot SET held = false WHERE held",
        r"lot \d+: free by its row, purchase \d+ has 1 open holds",
    ),
    "written off without a word": (
        "DELETE FROM points_holddecision WHERE outcome = 'written_off'",
        r"purchase \d+: 30 points written off, 0 decided",
    ),
    "a word for more than was written off": (
        "UPDATE points_holddecision SET points = points + 1 WHERE outcome = 'written_off'",
        r"purchase \d+: 30 points written off, 31 decided",
    ),
    "written off after the expiry": (
        "UPDATE points_entry SET at = at + interval '3 years' WHERE cause = 'writeoff'",
        r"entry \d+: writes lot \d+ off at .*, after it expired",
    ),
    "a card without its payment": (
        "DELETE FROM points_payment WHERE state = 'paid'",
        r"purchase \d+: by card, no payment paid it",
    ),
    "a payment that lost its purchase": (
        "ALTER TABLE points_payment DROP CONSTRAINT payment_paid_has_its_purchase;"
        " UPDATE points_payment SET purchase_id = NULL",
        r"payment \d+: paid, its purchase is not there",
    ),
    "a purchase of a payment that was given up": (
        "ALTER TABLE points_payment DROP CONSTRAINT payment_paid_has_its_purchase;"
        " UPDATE points_payment SET state = 'cancelled'",
        r"payment \d+: cancelled, its purchase \d+",
    ),
    "a payment for something else": (
        "UPDATE points_payment SET amount_minor = 1",
        r"payment \d+: 30 points for 1 EUR, purchase \d+ of 30 for 24000 EUR",
    ),
}


@pytest.fixture
def history(committed_cast: Cast, at: datetime) -> Cast:
    """One lot half spent and expired, another half spent, a third whole."""
    first = given(committed_cast.acme, 30, at=at)
    given(committed_cast.acme, 30, at=at + timedelta(days=10))
    charged(committed_cast.acme, 10, at=at)
    write_expiries(at=first.expires_at)
    given(committed_cast.acme, 30, at=at + timedelta(days=20))
    return committed_cast


def test_a_ledger_that_was_kept_has_no_difference(history: Cast):
    assert (
        checked()
        == "Not compared with the payment provider. 3 purchases, 3 lots, 1 charges, 5 entries: nothing differs\n"
    )


def test_an_empty_ledger_has_none(fresh_db: str):
    assert "0 entries: nothing differs" in checked()


def found() -> list[str]:
    """The lines that the command prints of a ledger with differences."""
    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("check_ledger", "--offline", stdout=out)
    *lines, verdict = out.getvalue().splitlines()
    assert end.value.code == 1
    assert verdict.endswith(f": {len(lines)} differences")
    return lines


def test_each_kind_of_difference_is_found_and_told(history: Cast, subtests: pytest.Subtests):
    _plant(PLANTED | PLANTED_TALLIES, subtests)


@pytest.mark.rule("D3", "D4")
def test_each_kind_of_wrong_credit_is_found_and_told(history: Cast, at: datetime, subtests: pytest.Subtests):
    back(Charge.objects.get(), at=at + timedelta(days=30))
    given(history.acme, 30, at=at + timedelta(days=40))
    _plant(PLANTED_CREDITS, subtests)


@pytest.mark.rule("D4", "D5", "D32")
def test_each_kind_of_wrong_refund_hold_and_payment_is_found_and_told(
    provider: None, committed_cast: Cast, at: datetime, subtests: pytest.Subtests
):
    acme, admin = committed_cast.acme, committed_cast.admin
    bought(acme, at=at)
    for state in ("done", "failed"):
        (refund,) = to_card(charged(acme, at=at), at=at)
        said(refund, state, at=at)
    lots = [bought(acme, at=at + timedelta(days=n)) for n in (1, 2, 3)]
    decided(on_hold(lots[0], at=at), "written_off", by=admin, at=at)
    decided(on_hold(lots[1], at=at), "released", by=admin, at=at)
    on_hold(lots[2], at=at)
    _plant(PLANTED_CARDS, subtests)


def _plant(kinds: dict[str, tuple[str, str]], subtests: pytest.Subtests) -> None:
    """Planted by the owner with the triggers off, one after the other, each taken back."""
    for kind, (planted, told) in kinds.items():
        with subtests.test(kind), as_owner(), transaction.atomic():
            for table in TABLES:
                sql(f"ALTER TABLE points_{table} DISABLE TRIGGER USER")
            sql(planted)
            lines = found()
            assert [line for line in lines if re.match(told, line)], lines
            transaction.set_rollback(True)
    assert "nothing differs" in checked()


def test_the_application_finds_what_the_owner_committed(history: Cast):
    owner_sql(*[f"ALTER TABLE points_{table} DISABLE TRIGGER USER" for table in TABLES], PLANTED["an entry less"][0])
    assert any(line.startswith("charge ") for line in found())
