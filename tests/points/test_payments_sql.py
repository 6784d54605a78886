"""What the database itself refuses of payments, and that nobody switches anything off (D5, D32)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from points.models import GiveBack, Lot, Payment
from supportdesk.roles import as_owner
from tests.cast import Cast
from tests.points.ledger import (
    DAY,
    bought,
    charged,
    given,
    key,
    on_hold,
    raw_entry,
    raw_lot,
    raw_purchase,
    refused,
    sql,
)

pytestmark = [pytest.mark.rule("D6", "D32"), pytest.mark.usefixtures("provider")]


@pytest.fixture
def lot(cast: Cast, at: datetime) -> Lot:
    return bought(cast.acme, at=at)


BY_CARD = {"kind": "card", "amount_minor": 800, "currency": "EUR", "provider": "stripe", "provider_ref": "pi_x"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"provider_ref": ""}, "purchase_by_card_has_its_payment"),
        ({"provider": ""}, "purchase_by_card_has_its_payment"),
        ({"amount_minor": 0, "currency": ""}, "purchase_by_card_has_its_payment"),
        ({"kind": "invoice"}, "purchase_by_card_has_its_payment"),
    ],
    ids=str,
)
def test_a_card_has_its_payment_and_nothing_else_has(cast: Cast, at: datetime, changed: dict[str, Any], words: str):
    with refused(words):
        raw_purchase(cast.acme, 5, at=at, **{**BY_CARD, **changed})


def test_a_purchase_by_card_is_one_that_a_payment_paid(cast: Cast, at: datetime):
    def buys(points: int = 5, **changed: Any) -> int:
        purchase = raw_purchase(cast.acme, 5, at=at, **{**BY_CARD, **changed})
        lot = raw_lot(cast.acme, points, at=at, purchase_id=purchase)
        raw_entry(cast.acme, lot, "purchase", points, at=at)
        return purchase

    with refused("no payment paid purchase"):
        buys()
    asked = {"customer": cast.acme, "points": 5, "amount_minor": 800, "currency": "EUR", "provider_ref": "pi_x"}
    asked |= {"user": cast.admin, "started_at": at, "looked_at": at}
    with refused("asked for another purchase|payment_paid_has_its_purchase"):
        Payment.objects.create(**asked, state="paid", key=key())
    for wrong in ({"points": 6}, {"amount_minor": 801}, {"currency": "USD"}, {"customer": cast.other}):
        with refused("asked for another purchase"):
            Payment.objects.create(**{**asked, **wrong}, key=key(), state="paid", purchase_id=buys())
    with refused("asked for another purchase"):
        Payment.objects.create(**asked, key=key(), state="paid", purchase_id=given(cast.acme, 5, at=at).purchase_id)
    Payment.objects.create(**asked, key=key(), state="paid", purchase_id=buys())
    sql("SET CONSTRAINTS ALL IMMEDIATE")


def test_two_purchases_of_one_payment_are_refused(cast: Cast, lot: Lot, at: datetime):
    with refused("purchase_once_a_payment"):
        raw_purchase(cast.acme, 30, at=at, **{**BY_CARD, "provider_ref": lot.purchase.provider_ref})
    other = bought(cast.acme, at=at)
    with refused("stays"):
        Payment.objects.filter(purchase=other.purchase).update(purchase=lot.purchase)
    waiting = Payment.objects.get(purchase=lot.purchase)
    waiting.pk, waiting.key, waiting.provider_ref = None, key(), "pi_again"
    with refused("asked for another purchase|purchase_id"):
        waiting.save(force_insert=True)


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "open", "purchase": None},
        {"state": "cancelled", "purchase": None},
        {"amount_minor": 1},
        {"points": 300},
        {"currency": "USD"},
        {"provider_ref": "pi_other"},
        {"provider_ref": None},
        {"key": "another"},
    ],
    ids=str,
)
def test_what_was_asked_for_and_paid_stays(lot: Lot, changed: dict[str, Any]):
    with refused("stays"):
        Payment.objects.update(**changed)


def test_a_lot_is_of_its_purchase(cast: Cast, at: datetime):
    with refused(r"purchase \d+ is of 5 points at .*, the lot of 500"):
        raw_lot(cast.acme, 500, at=at, purchase_id=raw_purchase(cast.acme, 5, at=at))
    with refused("is of 5 points at"):
        raw_lot(cast.acme, 5, at=at + DAY, purchase_id=raw_purchase(cast.acme, 5, at=at))
    with refused("of another customer than purchase"):
        raw_lot(cast.other, 5, at=at, purchase_id=raw_purchase(cast.acme, 5, at=at))
    with refused("there is no purchase"):
        raw_lot(cast.acme, 5, at=at, purchase_id=4_000_000)
    with refused(r"purchase \d+ has no lot"):
        raw_purchase(cast.acme, 5, at=at)


# Nothing is switched off

FUNCTIONS = [
    "points_locked_purchase",
    "points_refund_fits",
    "points_card_is_full",
    "points_lot_fits",
    "points_hold_marks",
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_runs_with_the_owners_rights_serves_nobody_else(lot: Lot, function: str):
    with refused("permission denied for (function|database)"):
        if function == "points_locked_purchase":
            sql("SELECT points_locked_purchase(id) FROM points_purchase")
        sql("CREATE TEMP TABLE points_hold (id bigint, purchase_id bigint)")
        sql(f"CREATE TRIGGER spring AFTER INSERT ON pg_temp.points_hold FOR EACH ROW EXECUTE FUNCTION {function}()")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE points_refund DISABLE TRIGGER ALL",
        "ALTER TABLE points_payment DISABLE TRIGGER points_payment_guard",
        "DROP TRIGGER points_refund_fits ON points_refund",
        "DROP TRIGGER points_writeoff_is_decided ON points_entry",
        "DROP FUNCTION points_is_held(bigint) CASCADE",
        "CREATE OR REPLACE FUNCTION public.points_is_held(purchase bigint) RETURNS boolean LANGUAGE sql"
        " AS 'SELECT false'",
        "ALTER TABLE points_refund ALTER CONSTRAINT points_refund_is_full NOT DEFERRABLE",
        "SET session_replication_role = 'replica'",
    ],
)
def test_the_application_switches_nothing_off(statement: str, db: None):
    with refused("permission denied|must be owner"):
        sql(statement)


def test_tables_of_a_session_hide_nothing(cast: Cast, lot: Lot, at: datetime):
    """Temporary tables come first on the path of names; the functions name theirs in full."""
    charge = charged(cast.acme, at=at)
    back = GiveBack.objects.create(charge=charge, means="card", at=at, reason="A bug", key=key())
    on_hold(lot, at=at)
    for table in ("points_hold", "points_refund", "points_purchase", "points_holddecision"):
        sql(f"CREATE TEMP TABLE {table} (LIKE public.{table})")
    sql("SET search_path = pg_temp, public")
    try:
        with refused("went back otherwise"):
            sql(
                "INSERT INTO public.points_refund (giveback_id, purchase_id, points, amount_minor, currency, key,"
                " state, word, decided_at, tries, next_try_at, fence, last_error)"
                " VALUES (%s, %s, 10, 8000, 'EUR', 'k', 'pending', '', now(), 0, now(), 0, '')",
                back.pk,
                lot.purchase_id,
            )
    finally:
        sql("SET search_path = public")
        for table in ("points_hold", "points_refund", "points_purchase", "points_holddecision"):
            sql(f"DROP TABLE pg_temp.{table}")
        transaction.set_rollback(True)


def test_the_migration_goes_back_and_forth(fresh_db: str):
    def made() -> list[Any]:
        with as_owner():
            return [
                sql("SELECT proname, prosrc, proacl::text FROM pg_proc WHERE proname LIKE 'points%' ORDER BY 1"),
                sql(
                    "SELECT table_name, privilege_type FROM information_schema.table_privileges"
                    " WHERE grantee = 'desk_app' AND table_name LIKE 'points%' ORDER BY 1, 2"
                ),
            ]

    before = made()
    call_command("migrate", "incidents", "0003", verbosity=0)
    call_command("migrate", "points", "0004", verbosity=0)
    with as_owner():
        gone = sql("SELECT proname FROM pg_proc WHERE proname ~ 'refund|held|hold|payment|writeoff|locked|lot_fits'")
        assert [name for (name,) in gone if name.startswith("points_")] == []
    call_command("migrate", verbosity=0)
    assert made() == before
    assert connection.settings_dict["USER"] == "desk_app"
