"""``./desk manage check_ledger``: recomputes everything from entries and purchases, and prints what differs."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from points.lifetimes import expires_at
from points.models import Lot
from supportdesk.places import zone_info

# Each gives one column: what differs, in words.
CHECKS = (
    """SELECT format('lot %s: %s left by its row, %s by its entries', lot.id, lot.remaining, coalesce(sum(e.points), 0))
       FROM points_lot lot LEFT JOIN points_entry e ON e.lot_id = lot.id
       GROUP BY lot.id HAVING lot.remaining <> coalesce(sum(e.points), 0)""",
    """SELECT format('lot %s: opened by %s entries with %s points, has %s', lot.id, count(e.id),
                     coalesce(sum(e.points), 0), lot.points)
       FROM points_lot lot LEFT JOIN points_entry e ON e.lot_id = lot.id AND e.cause IN ('purchase', 'credit')
       GROUP BY lot.id HAVING count(e.id) <> 1 OR coalesce(sum(e.points), 0) <> lot.points""",
    """SELECT format('lot %s: overspent, its entries sum to %s', lot_id, min(running)) FROM
       (SELECT lot_id, sum(points) OVER (PARTITION BY lot_id ORDER BY id) AS running FROM points_entry) r
       GROUP BY lot_id HAVING min(running) < 0""",
    """SELECT format('charge %s: costs %s points, its entries pay %s', c.id, c.points, coalesce(-sum(e.points), 0))
       FROM points_charge c LEFT JOIN points_entry e ON e.charge_id = c.id AND e.cause = 'charge'
       GROUP BY c.id HAVING c.points <> coalesce(-sum(e.points), 0)""",
    """SELECT format('entry %s: counts at %s, its charge %s at %s', e.id, e.at, c.id, c.charged_at)
       FROM points_entry e JOIN points_charge c ON c.id = e.charge_id
       WHERE e.cause = 'charge' AND e.at <> c.charged_at""",
    """SELECT format('purchase %s: %s points, its lots %s', p.id, p.points, coalesce(sum(lot.points), 0))
       FROM points_purchase p LEFT JOIN points_lot lot ON lot.purchase_id = p.id AND lot.origin = 'purchase'
       GROUP BY p.id HAVING p.points <> coalesce(sum(lot.points), 0)""",
    """SELECT format('entry %s: spends lot %s at %s, after it expired', e.id, lot.id, e.at)
       FROM points_entry e JOIN points_lot lot ON lot.id = e.lot_id
       WHERE e.cause = 'charge' AND e.at >= lot.expires_at""",
    """SELECT format('entry %s: lot %s expires at %s, the entry counts at %s', e.id, lot.id, lot.expires_at, e.at)
       FROM points_entry e JOIN points_lot lot ON lot.id = e.lot_id
       WHERE e.cause = 'expiry' AND e.at <> lot.expires_at""",
    """SELECT format('lot %s: expired, and %s points are left', lot.id, lot.remaining)
       FROM points_lot lot JOIN points_entry e ON e.lot_id = lot.id
       WHERE e.cause = 'expiry' AND lot.remaining <> 0""",
    """SELECT format('entry %s: of customer %s, its lot of customer %s', e.id, e.customer_id, lot.customer_id)
       FROM points_entry e JOIN points_lot lot ON lot.id = e.lot_id WHERE e.customer_id <> lot.customer_id""",
    """SELECT format('entry %s: of customer %s, its charge of customer %s', e.id, e.customer_id, c.customer_id)
       FROM points_entry e JOIN points_charge c ON c.id = e.charge_id WHERE e.customer_id <> c.customer_id""",
    """SELECT format('lot %s: of customer %s, its purchase of customer %s', lot.id, lot.customer_id, p.customer_id)
       FROM points_lot lot JOIN points_purchase p ON p.id = lot.purchase_id WHERE lot.customer_id <> p.customer_id""",
    """SELECT format('lot %s: bought at %s, its purchase at %s, its entry counts at %s', lot.id, lot.bought_at,
                     p.bought_at, e.at)
       FROM points_lot lot JOIN points_purchase p ON p.id = lot.purchase_id
       JOIN points_entry e ON e.lot_id = lot.id AND e.cause = 'purchase'
       WHERE lot.bought_at <> p.bought_at OR e.at <> p.bought_at""",
    """SELECT format('lot %s: its purchase %s is not there', lot.id, lot.purchase_id) FROM points_lot lot
       WHERE NOT EXISTS (SELECT FROM points_purchase p WHERE p.id = lot.purchase_id)""",
    """SELECT format('entry %s: its lot %s is not there', e.id, e.lot_id) FROM points_entry e
       WHERE NOT EXISTS (SELECT FROM points_lot lot WHERE lot.id = e.lot_id)""",
    """SELECT format('entry %s: its charge %s is not there', e.id, e.charge_id) FROM points_entry e
       WHERE e.charge_id IS NOT NULL AND NOT EXISTS (SELECT FROM points_charge c WHERE c.id = e.charge_id)""",
)


class Command(BaseCommand):
    help = "Proves that entries, lots, charges and purchases agree (D6). Exit status 1 where they do not."

    def handle(self, *args: Any, **options: Any) -> None:
        outermost = not connection.in_atomic_block
        with transaction.atomic(), connection.cursor() as cursor:
            if outermost:
                # One instant for all checks: a desk that is working meanwhile must not look broken.
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            differences = self._differences(cursor) + self._lifetimes()
            cursor.execute(
                "SELECT (SELECT count(*) FROM points_purchase), (SELECT count(*) FROM points_lot),"
                " (SELECT count(*) FROM points_charge), (SELECT count(*) FROM points_entry)"
            )
            purchases, lots, charges, entries = cursor.fetchone()
        verdict = f"{differences} differences" if differences else "nothing differs"
        self.stdout.write(f"{purchases} purchases, {lots} lots, {charges} charges, {entries} entries: {verdict}")
        if differences:
            sys.exit(1)

    def _differences(self, cursor: Any) -> int:
        found = 0
        for check in CHECKS:
            cursor.execute(check)
            for (line,) in cursor:
                found += 1
                self.stdout.write(line)
        return found

    def _lifetimes(self) -> int:
        """Lots of purchases expire as D1 says; the zone's rules are ours, not the database's."""
        wrong = 0
        lots = Lot.objects.filter(origin=Lot.Origin.PURCHASE).select_related("purchase").order_by("pk")
        for lot in lots.iterator(chunk_size=1000):
            bought = lot.purchase
            local = bought.bought_at.astimezone(zone_info(bought.zone)).date()
            if bought.bought_on != local:
                wrong += 1
                self.stdout.write(
                    f"purchase {bought.pk}: bought on {bought.bought_on}, in {bought.zone} it was {local}"
                )
            right = expires_at(bought_on=bought.bought_on, zone=bought.zone)
            if lot.expires_at != right:
                wrong += 1
                self.stdout.write(f"lot {lot.pk}: expires at {lot.expires_at.isoformat()}, by D1 {right.isoformat()}")
        return wrong
