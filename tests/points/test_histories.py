"""Whole histories against a twin that keeps single points; and that a long one is read by its index (D1, D2, D6)."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from points.charging import lots_to_spend
from points.models import Lot
from points.queries import balance, statement
from points.services import NotEnoughPoints, write_expiries
from supportdesk.people.models import Customer
from tests.cast import Cast
from tests.points.ledger import DAY, TICK, charged, given, midnight, owner_sql, sql


@dataclass
class Twin:
    """The ledger of one customer, point by point: each knows its lot and when it was gone, if it is."""

    lots: list[Lot] = field(default_factory=list)
    spent: list[tuple[datetime, Lot, int]] = field(default_factory=list)

    def left(self, lot: Lot, at: datetime) -> int:
        gone = sum(points for when, of, points in self.spent if of == lot and when <= at)
        return lot.points - gone if lot.bought_at <= at < lot.expires_at else 0

    def balance(self, at: datetime) -> int:
        return sum(self.left(lot, at) for lot in self.lots)

    def charge(self, points: int, at: datetime) -> bool:
        if self.balance(at) < points:
            return False
        for _ in range(points):
            lot = min(
                (lot for lot in self.lots if self.left(lot, at)),
                key=lambda lot: (lot.expires_at, lot.bought_at, lot.pk),
            )
            self.spent.append((at, lot, 1))
        return True

    def changes(self, at: datetime) -> list[tuple[datetime, str, int, int]]:
        """Instant, cause, points and lot of everything that counts at ``at``; charges by lot and instant."""
        found = [(lot.bought_at, "purchase", lot.points, lot.pk) for lot in self.lots]
        for lot in self.lots:
            for when in {when for when, of, _points in self.spent if of == lot}:
                drawn = sum(points for then, of, points in self.spent if (then, of) == (when, lot))
                found.append((when, "charge", -drawn, lot.pk))
            rest = self.left(lot, lot.expires_at - TICK)
            if lot.expires_at <= at and rest:
                found.append((lot.expires_at, "expiry", -rest, lot.pk))
        return sorted(found)


def lived(customer: Customer, seed: int) -> tuple[Twin, datetime]:
    """A random history of some years, dense in instants that coincide; gives its twin and its end."""
    chance, twin = random.Random(seed), Twin()
    at = midnight(customer, date(2026, 12, 1))
    for _ in range(24):
        ahead = min((lot.expires_at for lot in twin.lots if lot.expires_at > at), default=at + TICK)
        at = chance.choice([at, at + DAY, at + chance.randint(30, 200) * DAY, ahead - TICK, ahead])
        match chance.choice(["buy", "buy", "spend", "spend", "spend", "expire"]):
            case "buy":
                twin.lots.append(given(customer, chance.randint(1, 12), at=at))
            case "spend":
                points = chance.randint(1, 14)
                if twin.charge(points, at):
                    charged(customer, points, at=at)
                else:
                    with pytest.raises(NotEnoughPoints):
                        charged(customer, points, at=at)
            case "expire":
                write_expiries(at=at, limit=chance.randint(1, 3))
    return twin, at


def folded(lines: Any) -> list[tuple[datetime, str, int, int]]:
    """Lines as the twin tells changes: what one lot pays at one instant is one change."""
    sums: dict[tuple[datetime, str, int], int] = {}
    for line in lines:
        place = (line.at, str(line.cause), line.lot.pk)
        sums[place] = sums.get(place, 0) + line.points
    return sorted((when, cause, points, lot) for (when, cause, lot), points in sums.items())


def paged(customer: Customer, *, at: datetime, size: int) -> list[Any]:
    """All lines, from one page after the other."""
    lines: list[Any] = []
    for page in range(1, 100):
        found = statement(customer_id=customer.pk, at=at, page=page, size=size)
        lines += found.lines
        if not found.more:
            beyond = statement(customer_id=customer.pk, at=at, page=page + 1, size=size)
            assert (beyond.lines, beyond.more) == ((), False)
            return lines
    raise AssertionError("pages without an end")


@pytest.mark.rule("R2", "D1", "D2", "D6")
@pytest.mark.parametrize("seed", range(3))
def test_random_histories_are_told_as_their_twin_tells_them(cast: Cast, seed: int):
    given(cast.other, 50, at=midnight(cast.other, date(2026, 12, 1)))
    twin, end = lived(cast.acme, seed)
    for at in (end, end + 90 * DAY, end + 400 * DAY):
        assert balance(customer_id=cast.acme.pk, at=at) == twin.balance(at)
        whole = statement(customer_id=cast.acme.pk, at=at, size=1000)
        assert folded(whole.lines) == twin.changes(at)
        assert [line.at for line in whole.lines] == sorted((line.at for line in whole.lines), reverse=True)
        for place, line in enumerate(whole.lines):
            assert line.balance == sum(older.points for older in whole.lines[place:])
        for size in (1, 3):
            assert paged(cast.acme, at=at, size=size) == list(whole.lines)
    before = statement(customer_id=cast.acme.pk, at=end + 400 * DAY, size=1000)
    write_expiries(at=end + 400 * DAY)
    after = statement(customer_id=cast.acme.pk, at=end + 400 * DAY, size=1000)
    assert folded(after.lines) == folded(before.lines)
    assert (after.lines[0].balance, Lot.objects.filter(customer=cast.acme, remaining__gt=0).count()) == (0, 0)


@pytest.mark.rule("D1", "D6")
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("written", [0, 1, 2])
def test_unwritten_expiries_at_the_instant_of_other_lines_stand_once_at_any_page_border(
    cast: Cast, size: int, written: int
):
    """Two lots expire at the very instant at which a lot is bought and twice charged."""
    start = midnight(cast.acme, date(2026, 12, 1))
    first = given(cast.acme, 3, at=start)
    given(cast.acme, 4, at=start + timedelta(hours=1))
    given(cast.acme, 30, at=start + 10 * DAY)
    end = first.expires_at
    given(cast.acme, 8, at=end)
    charged(cast.acme, 2, at=end)
    charged(cast.acme, 5, at=end)
    write_expiries(at=end, limit=written) if written else None
    lines = paged(cast.acme, at=end, size=size)
    assert lines == paged(cast.acme, at=end, size=100)
    assert sorted(line.points for line in lines if line.cause == "expiry") == [-4, -3]
    assert sorted(line.points for line in lines) == [-5, -4, -3, -2, 3, 4, 8, 30]
    assert lines[0].balance == balance(customer_id=cast.acme.pk, at=end) == 31
    assert not [line for line in lines if line.balance < 0]


@pytest.mark.rule("D6")
def test_a_balance_and_a_charge_read_the_index_of_lots_on_hand(committed_cast: Cast, at: datetime):
    """A few thousand lots, of which one in seven is left."""
    Customer.objects.bulk_create(
        Customer(name=f"Customer {n}", country="US", subdivision="NY", zone="America/New_York") for n in range(30)
    )
    sql(
        """
        INSERT INTO points_purchase (customer_id, kind, points, amount_minor, currency, bought_at, bought_on, zone,
                                     reason, provider, provider_ref, key)
        SELECT c.id, 'grant', 10, 0, '', %s, %s, c.zone, 'test', '', '', format('p%%s-%%s', c.id, n)
        FROM people_customer c, generate_series(1, 100) n;
        INSERT INTO points_lot (customer_id, purchase_id, origin, points, remaining, bought_at, expires_at)
        SELECT customer_id, id, 'purchase', 10, 0, bought_at, bought_at
               + CASE WHEN id %% 7 = 0 THEN interval '366 days' ELSE interval '1 day' END
        FROM points_purchase;
        INSERT INTO points_entry (customer_id, lot_id, cause, points, at, key)
        SELECT customer_id, id, 'purchase', 10, bought_at, format('o%%s', id) FROM points_lot;
        INSERT INTO points_entry (customer_id, lot_id, cause, points, at, key)
        SELECT customer_id, id, 'expiry', -10, expires_at, format('w%%s', id) FROM points_lot WHERE id %% 7 <> 0;
        """,
        at,
        at.date(),
    )
    owner_sql("VACUUM ANALYZE")
    with CaptureQueriesContext(connection) as queries:
        on_hand = balance(customer_id=committed_cast.acme.pk, at=at)
        states = lots_to_spend(customer_id=committed_cast.acme.pk, at=at)
    assert on_hand == sum(lot.remaining for lot in states) > 0
    for query in queries:
        ((plan,),) = sql("EXPLAIN (ANALYZE, FORMAT JSON) " + query["sql"])
        told = json.dumps(plan)
        assert '"Index Name": "lot_on_hand"' in told
        assert "Seq Scan" not in told
        assert max(map(float, re.findall(r'"Actual Rows": ([\d.]+)', told))) == len(states), "the lots on hand alone"
        assert set(re.findall(r'"Rows Removed by Filter": (\d+)', told)) <= {"0"}
