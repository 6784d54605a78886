"""``check_ledger`` finds nothing in a ledger that was kept, and every kind of difference in one that was not (D6)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import transaction

from points.services import write_expiries
from supportdesk.roles import as_owner
from tests.cast import Cast
from tests.points.ledger import charged, checked, given, owner_sql, sql

pytestmark = pytest.mark.rule("D6")

TABLES = ("entry", "lot", "charge", "purchase")
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
    assert checked() == "3 purchases, 3 lots, 1 charges, 5 entries: nothing differs\n"


def test_an_empty_ledger_has_none(fresh_db: str):
    assert "0 entries: nothing differs" in checked()


def found() -> list[str]:
    """The lines that the command prints of a ledger with differences."""
    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("check_ledger", stdout=out)
    *lines, verdict = out.getvalue().splitlines()
    assert end.value.code == 1
    assert verdict.endswith(f": {len(lines)} differences")
    return lines


def test_each_kind_of_difference_is_found_and_told(history: Cast, subtests: pytest.Subtests):
    """Planted by the owner with the triggers off, one after the other, each taken back."""
    for kind, (planted, told) in PLANTED.items():
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
