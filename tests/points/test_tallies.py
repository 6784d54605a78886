"""What the entries of an hour come to: kept by the database, changed by entries alone, whole days of any zone (D6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from points.history import history
from points.models import Tally
from points.timeline import scale_of
from supportdesk.places import zones
from supportdesk.roles import as_owner
from tests.cast import Cast
from tests.incidents_helpers import at_once
from tests.points.ledger import DAY, charged, checked, given, refused, sql
from tests.points.test_queries import ledger

pytestmark = pytest.mark.rule("D6")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ADDED_UP = """
SELECT customer_id, minutes::int, date_bin(make_interval(mins => minutes), at, timestamptz 'epoch'), cause,
       sum(points)::int, max(at)
FROM points_entry, unnest(ARRAY[15, 60]) AS minutes GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
KEPT = "SELECT customer_id, minutes::int, begins, cause, points, last_at FROM points_tally ORDER BY 1, 2, 3, 4"


@pytest.mark.parametrize("seed", range(4))
def test_tallies_are_what_adding_up_gives(cast: Cast, at: datetime, seed: int):
    ledger(cast.acme, seed, at=at)
    ledger(cast.other, seed + 100, at=at + timedelta(minutes=7))
    assert sql(KEPT) == sql(ADDED_UP)
    assert "nothing differs" in checked()


def test_what_counts_within_a_quarter_is_one_tally(cast: Cast, at: datetime):
    given(cast.acme, 100, at=at)
    for minute in (0, 14, 15, 59, 60):
        charged(cast.acme, 1, at=at + timedelta(minutes=minute))
    found = (
        Tally.objects.filter(cause="charge").order_by("minutes", "begins").values_list("minutes", "begins", "points")
    )
    quarter, hour = timedelta(minutes=15), timedelta(minutes=60)
    assert list(found) == [
        *((15, at, -2), (15, at + quarter, -1), (15, at + 3 * quarter, -1), (15, at + hour, -1)),
        *((60, at, -4), (60, at + hour, -1)),
    ]


def test_charges_at_once_lose_nothing(committed_cast: Cast, at: datetime):
    given(committed_cast.acme, 100, at=at)
    at_once(*[lambda: charged(committed_cast.acme, 3, at=at)] * 12)
    assert set(Tally.objects.filter(cause="charge").values_list("points", flat=True)) == {-36}
    assert sql(KEPT) == sql(ADDED_UP)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE points_tally SET points = 0",
        "DELETE FROM points_tally",
        "INSERT INTO points_tally SELECT * FROM points_tally",
        "TRUNCATE points_tally",
    ],
)
def test_nobody_changes_a_tally_but_by_entries(committed_cast: Cast, at: datetime, statement: str):
    given(committed_cast.acme, 10, at=at)
    with refused("permission denied"):
        sql(statement)
    with as_owner(), refused("a tally changes by entries only"):
        sql(statement)
    assert sql(KEPT) == sql(ADDED_UP)


def test_its_function_serves_no_table_of_the_applications_own(cast: Cast, at: datetime):
    given(cast.acme, 10, at=at)
    with refused("permission denied for (function|database)"):
        sql("CREATE TEMP TABLE trap (LIKE points_entry)")
        sql(
            "CREATE TRIGGER spring AFTER INSERT ON trap REFERENCING NEW TABLE AS written"
            " FOR EACH STATEMENT EXECUTE FUNCTION points_entry_tallies()"
        )
        sql("INSERT INTO trap SELECT * FROM points_entry")


@pytest.mark.rule("D1")
@pytest.mark.parametrize(
    "zone", ["Asia/Kolkata", "Asia/Kathmandu", "Australia/Eucla", "Pacific/Chatham", "America/Lima"]
)
def test_a_day_that_begins_within_an_hour_keeps_its_own(cast: Cast, zone: str):
    """Two charges within one hour of the world's clock, a second before and at the customer's midnight."""
    now = datetime(2026, 12, 1, 12, tzinfo=UTC)
    midnight = next(day for day in scale_of(at=now, zone=zone, latest=None).days if day > now - 40 * DAY)
    given(cast.acme, 100, at=now - 100 * DAY)
    charged(cast.acme, 3, at=midnight - timedelta(seconds=1))
    charged(cast.acme, 5, at=midnight)
    found = history(customer_id=cast.acme.pk, zone=zone, at=now)
    assert [(change.at, change.points) for change in found.changes[1:]] == [
        (midnight - timedelta(seconds=1), -3),
        (midnight, -5),
    ]


def test_in_every_zone_a_day_begins_with_a_quarter():
    for zone in zones():
        days = scale_of(at=datetime(2026, 12, 1, tzinfo=UTC), zone=zone, latest=None).days
        assert not [day for day in days if (day - EPOCH) % timedelta(minutes=15)], zone


def test_what_was_written_before_there_were_tallies_is_in_them(committed_cast: Cast, at: datetime):
    call_command("migrate", "points", "0005", verbosity=0, interactive=False)
    given(committed_cast.acme, 10, at=at)
    for minutes in (0, 1, 200):
        charged(committed_cast.acme, 2, at=at + timedelta(minutes=minutes))
    call_command("migrate", "points", verbosity=0, interactive=False)
    assert len(sql(KEPT)) == 6
    assert sql(KEPT) == sql(ADDED_UP)
    charged(committed_cast.acme, 2, at=at)
    assert sql(KEPT) == sql(ADDED_UP)
