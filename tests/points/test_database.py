"""What the database itself refuses, whatever the application does (D1, D6, D40)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from points.models import Charge, Entry, Lot
from points.setting import set_tolerance
from supportdesk import clock
from supportdesk.policy import POLICY
from supportdesk.roles import as_owner
from tests.cast import Cast
from tests.points.ledger import charged, given, left, raw_charge, raw_entry, raw_lot, raw_purchase, refused, sql

pytestmark = pytest.mark.rule("D6")

LEDGER = ("points_entry", "points_charge", "points_purchase", "points_lot")
SECOND = timedelta(seconds=1)


@pytest.fixture
def lot(cast: Cast, at: datetime) -> Lot:
    """Thirty points of acme, ten of them spent."""
    lot = given(cast.acme, 30, at=at)
    charged(cast.acme, at=at)
    return lot


@pytest.fixture
def strict_cast(committed_cast: Cast) -> Cast:
    """The cast in a database that takes the clock as strictly as the desk's own."""
    set_tolerance(POLICY.clock_tolerance)
    return committed_cast


# Who may do what


def test_the_tests_run_as_the_application(lot):
    assert sql("SELECT current_user::text, session_user::text") == [("desk_app", "desk_app")]
    assert sql("SELECT count(*) FROM pg_class WHERE relowner = 'desk_app'::regrole") == [(0,)]


@pytest.mark.parametrize("table", [*LEDGER, "points_ledgersetting"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}", "TRUNCATE {} CASCADE"], ids=str.split
)
def test_the_application_changes_nothing_that_is_written(lot, table, statement):
    with refused("permission denied for table"):
        sql(statement.format(table))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE points_lot SET remaining = points",
        "UPDATE points_lot SET expires_at = expires_at + interval '1 day'",
        "UPDATE points_entry SET points = 1000 WHERE cause = 'purchase'",
        "INSERT INTO points_lot SELECT * FROM points_lot ON CONFLICT (id) DO UPDATE SET remaining = 30",
        "MERGE INTO points_lot l USING points_lot o ON l.id = o.id WHEN MATCHED THEN UPDATE SET remaining = 30",
        "SELECT setval(pg_get_serial_sequence('points_entry', 'id'), 1)",
        "INSERT INTO points_ledgersetting (clock_tolerance) VALUES (interval '100 years')",
    ],
)
def test_the_application_moves_no_points_but_by_entries(lot, statement):
    with refused("permission denied"):
        sql(statement)
    assert left(lot) == [20]


@pytest.mark.parametrize(
    "statement",
    [
        "SET session_replication_role = 'replica'",
        "SELECT set_config('session_replication_role', 'replica', true)",
        "SET ROLE desk_owner",
        "SET SESSION AUTHORIZATION desk_owner",
        "GRANT desk_owner TO desk_app",
        "ALTER TABLE points_entry DISABLE TRIGGER ALL",
        "ALTER TABLE points_entry DISABLE TRIGGER points_entry_counts",
        "ALTER TABLE points_lot DROP CONSTRAINT lot_not_overspent",
        "ALTER TABLE points_lot OWNER TO desk_app",
        "DROP TRIGGER points_entry_counts ON points_entry",
        "DROP TRIGGER points_lot_guard ON points_lot",
        "DROP FUNCTION points_entry_counts() CASCADE",
        "DROP TABLE points_entry CASCADE",
        "CREATE FUNCTION public.sneak() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE OR REPLACE FUNCTION public.points_entry_counts() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NULL; END'",
    ],
)
def test_the_application_switches_nothing_off(lot, statement):
    with refused("permission denied|must be owner"):
        sql(statement)


def test_a_trigger_of_the_applications_own_moves_no_points(lot):
    """The guard lets an update from within a trigger pass: not one that the application made."""
    with refused("permission denied for (table points_lot|database|schema)"):
        sql("CREATE TEMP TABLE trap (n int)")
        sql(
            "CREATE FUNCTION pg_temp.spring() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN UPDATE public.points_lot SET remaining = points; RETURN NULL; END'"
        )
        sql("CREATE TRIGGER spring AFTER INSERT ON trap FOR EACH ROW EXECUTE FUNCTION pg_temp.spring()")
        sql("INSERT INTO trap VALUES (1)")
    assert left(lot) == [20]


def test_a_grant_of_a_right_gives_nothing(lot):
    """PostgreSQL only warns that there was nothing to give."""
    sql("GRANT UPDATE ON points_lot TO desk_app")
    with refused("permission denied"):
        sql("UPDATE points_lot SET remaining = points")


@pytest.mark.parametrize("function", ["points_entry_counts", "points_charge_is_paid", "points_lot_is_opened"])
def test_no_function_of_the_owner_serves_a_table_of_the_applications_own(lot, function):
    """They run with the owner's rights: hung on a temporary table, one would move points without an entry."""
    with refused("permission denied for (function|database)"):
        sql("CREATE TEMP TABLE trap (LIKE points_entry)")
        sql(f"CREATE TRIGGER spring AFTER INSERT ON trap FOR EACH ROW EXECUTE FUNCTION {function}()")
        sql("INSERT INTO trap SELECT * FROM points_entry")
    assert left(lot) == [20]


def test_the_owner_changes_nothing_that_is_written_either(committed_cast: Cast, at: datetime):
    lot = given(committed_cast.acme, 30, at=at)
    charged(committed_cast.acme, at=at)
    changes = ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
    with as_owner():
        assert sql("SELECT current_user::text") == [("desk_owner",)]
        for table in LEDGER:
            for change in changes:
                with refused("append-only|changes by entries only"):
                    sql(change.format(table))
        for change in ("UPDATE points_lot SET remaining = 30", "TRUNCATE people_customer CASCADE"):
            with refused("append-only|changes by entries only|keeps its rows"):
                sql(change)
    assert (left(lot), Entry.objects.count()) == ([20], 2)


# What an entry must be


@pytest.mark.rule("R3", "D2")
def test_no_lot_is_overspent(lot, cast, at):
    with refused("lot_not_overspent"):
        paid = raw_charge(cast.acme, 21, at=at)
        raw_entry(cast.acme, lot.pk, "charge", -21, at=at, charge_id=paid)
    with refused("lot_not_overspent"):
        raw_entry(cast.acme, lot.pk, "writeoff", -21, at=at)
    assert left(lot) == [20]


def test_a_lot_begins_empty_and_is_filled_by_its_entry(lot, cast, at):
    with transaction.atomic():
        made = raw_lot(cast.acme, 5, at=at, purchase_id=raw_purchase(cast.acme, 5, at=at), remaining=5)
        assert sql("SELECT remaining FROM points_lot WHERE id = %s", made) == [(0,)]
        raw_entry(cast.acme, made, "purchase", 5, at=at)
        assert sql("SELECT remaining FROM points_lot WHERE id = %s", made) == [(5,)]
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("cause", "points"), [("charge", 5), ("expiry", 20), ("writeoff", 1), ("refund", 1), ("gift", 5), ("gift", -5)]
)
def test_points_come_by_opening_a_lot_only(lot, cast, at, cause, points):
    with refused("entry_sign_fits_cause|entry_cause_known|entry_of_a_charge|expires at"):
        raw_entry(cast.acme, lot.pk, cause, points, at=lot.expires_at if cause == "expiry" else at)


@pytest.mark.parametrize(("cause", "points"), [("purchase", 30), ("credit", 30)])
def test_a_lot_is_opened_once(lot, cast, at, cause, points):
    with refused("entry_opens_a_lot_once"):
        raw_entry(cast.acme, lot.pk, cause, points, at=at)


@pytest.mark.parametrize(("cause", "points", "late"), [("purchase", 6, 0), ("credit", 5, 0), ("purchase", 5, 1)])
def test_a_lot_is_opened_as_what_it_is(lot, cast, at, cause, points, late):
    with refused("is opened with its|was bought at"):
        made = raw_lot(cast.acme, 5, at=at, purchase_id=raw_purchase(cast.acme, 5, at=at))
        raw_entry(cast.acme, made, cause, points, at=at + late * SECOND)


@pytest.mark.rule("D32")
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"kind": "gift"}, "purchase_kind_known"),
        ({"reason": ""}, "purchase_by_hand_has_a_reason"),
        ({"amount_minor": 5, "currency": "EUR"}, "purchase_grant_is_free"),
        ({"kind": "invoice", "amount_minor": 5}, "purchase_money_has_its_currency"),
        ({"points": 0}, "purchase_points_in_range"),
        ({"points": POLICY.lot_points_max + 1}, "purchase_points_in_range"),
    ],
    ids=str,
)
def test_a_purchase_is_of_a_kind_and_complete(cast, at, changed, words):
    with refused(words):
        raw_purchase(cast.acme, at=at, **{"points": 5, **changed})


@pytest.mark.rule("D32")
def test_a_purchase_is_one_lot(lot, cast, at):
    with refused("lot_of_a_purchase_once"):
        raw_lot(cast.acme, 30, at=at, purchase_id=lot.purchase_id)


def test_what_is_not_there_yet_is_not_charged(lot, cast, at):
    """Foreign keys are checked at commit, so an entry could come before what it names."""
    with refused("there is no lot 987654"):
        paid = raw_charge(cast.acme, 5, at=at)
        raw_entry(cast.acme, 987654, "charge", -5, at=at, charge_id=paid)
        raw_lot(cast.acme, 5, at=at, purchase_id=raw_purchase(cast.acme, 5, at=at), id=987654)
    with refused("there is no charge 987654"):
        raw_entry(cast.acme, lot.pk, "charge", -5, at=at, charge_id=987654)
        raw_charge(cast.acme, 5, at=at, id=987654)
    with refused("entry_of_a_charge_names_it"):
        raw_entry(cast.acme, lot.pk, "charge", -5, at=at)


@pytest.mark.rule("D1")
@pytest.mark.parametrize("late", [timedelta(0), SECOND, timedelta(days=3)])
def test_an_expired_lot_is_not_charged(lot, cast, late):
    with refused(r"lot \d+ expired at"):
        paid = raw_charge(cast.acme, 5, at=lot.expires_at + late)
        raw_entry(cast.acme, lot.pk, "charge", -5, at=lot.expires_at + late, charge_id=paid)
    assert charged(cast.acme, 5, at=lot.expires_at - timedelta(microseconds=1)).points == 5


def test_a_charge_and_its_entry_count_at_one_instant(lot, cast, at):
    with refused(r"charge \d+ is of .*, its entry of"):
        paid = raw_charge(cast.acme, 5, at=at)
        raw_entry(cast.acme, lot.pk, "charge", -5, at=at + timedelta(microseconds=1), charge_id=paid)


@pytest.mark.rule("D22")
def test_nobody_pays_with_the_points_of_another(lot, cast, at):
    with refused("are of different customers"):
        paid = raw_charge(cast.other, 5, at=at)
        raw_entry(cast.other, lot.pk, "charge", -5, at=at, charge_id=paid)
    with refused("are of different customers"):
        paid = raw_charge(cast.other, 5, at=at)
        raw_entry(cast.acme, lot.pk, "charge", -5, at=at, charge_id=paid)


@pytest.mark.rule("D1")
@pytest.mark.parametrize(("points", "shift"), [(-19, timedelta(0)), (-21, timedelta(0)), (-20, SECOND), (-20, -SECOND)])
def test_a_lot_expires_whole_and_at_its_instant(lot, cast, points, shift):
    with refused("expires at .*, whole and not before"):
        raw_entry(cast.acme, lot.pk, "expiry", points, at=lot.expires_at + shift)


# At the commit


def test_a_lot_without_its_entry_is_not_committed(committed_cast: Cast, at: datetime):
    @transaction.atomic
    def write() -> None:
        sql("SET CONSTRAINTS ALL DEFERRED")
        raw_lot(committed_cast.acme, 5, at=at, purchase_id=raw_purchase(committed_cast.acme, 5, at=at))

    with pytest.raises(DatabaseError, match="has no opening entry"):
        write()
    assert Lot.objects.count() == 0


@pytest.mark.rule("R3")
@pytest.mark.parametrize("paid", [0, 9, 11])
def test_a_charge_that_is_not_paid_exactly_is_not_committed(committed_cast: Cast, at: datetime, paid: int):
    lot = given(committed_cast.acme, 30, at=at)

    @transaction.atomic
    def write() -> None:
        sql("SET CONSTRAINTS ALL DEFERRED")
        charge = raw_charge(committed_cast.acme, 10, at=at)
        if paid:
            raw_entry(committed_cast.acme, lot.pk, "charge", -paid, at=at, charge_id=charge)

    with pytest.raises(DatabaseError, match=f"charge .* of 10 points is paid with {paid}"):
        write()
    assert (Charge.objects.count(), left(lot)) == (0, [30])


@pytest.mark.rule("R3")
def test_a_charge_that_was_paid_is_not_paid_again(committed_cast: Cast, at: datetime):
    lot = given(committed_cast.acme, 30, at=at)
    charge = charged(committed_cast.acme, at=at)
    with refused("of 10 points is paid with 11"):
        raw_entry(committed_cast.acme, lot.pk, "charge", -1, at=at, charge_id=charge.pk)


# The clock


@pytest.mark.rule("D40")
@pytest.mark.parametrize("off", [timedelta(minutes=6), timedelta(days=400), -timedelta(minutes=6), -timedelta(days=9)])
def test_an_entry_is_recorded_by_the_databases_clock(strict_cast: Cast, off: timedelta):
    now = clock.now()
    lot = given(strict_cast.acme, 30, at=now)
    for at, recorded in ((now, now + off), (now + off, now + off), (now + off, now)):
        with refused("off the database's clock|is backdated or ahead"):
            paid = raw_charge(strict_cast.acme, 5, at=at)
            raw_entry(strict_cast.acme, lot.pk, "charge", -5, at=at, recorded_at=recorded, charge_id=paid)
        with refused("off the database's clock|is backdated or ahead"):
            raw_entry(strict_cast.acme, lot.pk, "writeoff", -5, at=at, recorded_at=recorded)
    assert charged(strict_cast.acme, at=now + timedelta(minutes=4)).points == 10


@pytest.mark.rule("D40")
@pytest.mark.parametrize("instant", ["infinity", "-infinity"])
def test_no_entry_is_of_all_times(strict_cast: Cast, instant: str):
    lot = given(strict_cast.acme, 30, at=clock.now())
    statement = (
        "INSERT INTO points_entry (customer_id, lot_id, cause, points, at, recorded_at, key)"
        " VALUES (%s, %s, 'writeoff', -1, {}, {}, 'k')"
    )
    for at, recorded in (("now()", f"'{instant}'"), (f"'{instant}'", "now()"), (f"'{instant}'", f"'{instant}'")):
        with refused("off the database's clock|is backdated or ahead"):
            sql(statement.format(at, recorded), strict_cast.acme.pk, lot.pk)


@pytest.mark.rule("D1", "D40")
def test_no_lot_expires_or_is_bought_before_its_time(strict_cast: Cast):
    now = clock.now()
    lot = given(strict_cast.acme, 30, at=now)
    with refused("whole and not before"):
        raw_entry(strict_cast.acme, lot.pk, "expiry", -30, at=lot.expires_at)
    with refused("its entry counts at"):
        given(strict_cast.acme, 30, at=now + timedelta(days=1))


@pytest.mark.rule("D40")
def test_a_table_that_hides_the_setting_changes_nothing(strict_cast: Cast):
    now = clock.now()
    lot = given(strict_cast.acme, 30, at=now)
    sql("CREATE TEMP TABLE points_ledgersetting AS SELECT interval '100 years' AS clock_tolerance")
    sql("SET search_path = pg_temp, public")
    with refused("off the database's clock"):
        raw_entry(strict_cast.acme, lot.pk, "writeoff", -5, at=now, recorded_at=now - timedelta(days=1))


# There and back


def _made() -> tuple[list[tuple[str, ...]], ...]:
    triggers = sql(
        "SELECT tgrelid::regclass::text, tgname::text, tgdeferrable::text FROM pg_trigger"
        " WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'points%' ORDER BY 1, 2"
    )
    functions = sql("SELECT proname::text, prosrc, proacl::text FROM pg_proc WHERE proname LIKE 'points%' ORDER BY 1")
    rights = sql(
        "SELECT table_name::text, privilege_type::text FROM information_schema.table_privileges"
        " WHERE grantee = 'desk_app' AND table_name LIKE 'points%' ORDER BY 1, 2"
    )
    return triggers, functions, rights


def test_the_migration_goes_back_and_forth(fresh_db: str):
    before = _made()
    assert len(before[0]) > 10
    call_command("migrate", "points", "0001", verbosity=0, interactive=False)
    triggers, functions, rights = _made()
    assert (triggers, functions) == ([], [])
    assert len(rights) == 4 * 5  # select, insert, update and delete on five tables
    call_command("migrate", verbosity=0, interactive=False)
    assert _made() == before
    assert sql("SELECT clock_tolerance FROM points_ledgersetting") == [(POLICY.clock_tolerance,)]
    assert connection.settings_dict["USER"] == "desk_app"
