"""``./desk manage check_ledger``: recomputes all from entries, purchases and refunds, and prints what differs."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection, transaction

from points.lifetimes import credit_expires_at, expires_at
from points.models import Cause, Entry, GiveBack, Lot
from points.payments import comparing
from points.payments.provider import ProviderDown, ProviderRefused, ready
from supportdesk import clock
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
    """SELECT format('tally of customer %s, %s minutes from %s, %s: has %s points, its entries %s', customer_id,
                     minutes, begins, cause, kept.points, coalesce(told.points, 0))
       FROM points_tally kept FULL JOIN
            (SELECT customer_id, minutes, date_bin(make_interval(mins => minutes), at, timestamptz 'epoch') AS begins,
                    cause, sum(points) AS points, max(at) AS last_at
             FROM points_entry, unnest(ARRAY[15, 60]) AS minutes GROUP BY 1, 2, 3, 4) told
            USING (customer_id, minutes, begins, cause)
       WHERE (kept.points, kept.last_at) IS DISTINCT FROM (told.points, told.last_at)""",
    # Credits (D3, D4)
    """SELECT format('credit %s: gives back %s points, charge %s drew %s on lot %s', lot.id, lot.points,
                     lot.from_charge_id, coalesce(-sum(e.points), 0), lot.from_lot_id)
       FROM points_lot lot LEFT JOIN points_entry e
            ON e.charge_id = lot.from_charge_id AND e.lot_id = lot.from_lot_id AND e.cause = 'charge'
       WHERE lot.origin = 'credit' GROUP BY lot.id HAVING lot.points <> coalesce(-sum(e.points), 0)""",
    """SELECT format('charge %s: given back %s times for lot %s', from_charge_id, count(*), from_lot_id)
       FROM points_lot WHERE origin = 'credit' GROUP BY from_charge_id, from_lot_id HAVING count(*) > 1""",
    """SELECT format('credit %s: of purchase %s and customer %s, its lot %s of purchase %s and customer %s', lot.id,
                     lot.purchase_id, lot.customer_id, source.id, source.purchase_id, source.customer_id)
       FROM points_lot lot JOIN points_lot source ON source.id = lot.from_lot_id
       WHERE (lot.purchase_id, lot.customer_id, lot.bought_at)
             IS DISTINCT FROM (source.purchase_id, source.customer_id, source.bought_at)""",
    """SELECT format('credit %s: of charge %s, its entry names charge %s', lot.id, lot.from_charge_id, e.charge_id)
       FROM points_lot lot JOIN points_entry e ON e.lot_id = lot.id AND e.cause = 'credit'
       WHERE e.charge_id IS DISTINCT FROM lot.from_charge_id""",
    """SELECT format('credit %s: nobody gave charge %s back', lot.id, lot.from_charge_id) FROM points_lot lot
       WHERE lot.origin = 'credit'
         AND NOT EXISTS (SELECT FROM points_giveback b WHERE b.charge_id = lot.from_charge_id)""",
    """SELECT format('charge %s: costs %s points, given back with %s', c.id, c.points, coalesce(sum(lot.points), 0))
       FROM points_giveback b JOIN points_charge c ON c.id = b.charge_id
       LEFT JOIN points_lot lot ON lot.from_charge_id = c.id AND lot.origin = 'credit'
       WHERE b.means = 'points' GROUP BY c.id HAVING c.points <> coalesce(sum(lot.points), 0)""",
    """SELECT format('credit %s: counts at %s, charge %s was given back at %s', lot.id, e.at, b.charge_id, b.at)
       FROM points_giveback b JOIN points_lot lot ON lot.from_charge_id = b.charge_id
       JOIN points_entry e ON e.lot_id = lot.id AND e.cause = 'credit' WHERE b.means = 'points' AND e.at <> b.at""",
    # Refunds (D4, D5)
    """SELECT format('refund %s: of %s points, purchase %s paid %s of charge %s', r.id, r.points, r.purchase_id,
                     coalesce(-sum(e.points), 0), b.charge_id)
       FROM points_refund r LEFT JOIN points_giveback b ON b.id = r.giveback_id AND b.means = 'card'
       LEFT JOIN points_lot lot ON lot.purchase_id = r.purchase_id
       LEFT JOIN points_entry e ON e.lot_id = lot.id AND e.charge_id = b.charge_id AND e.cause = 'charge'
       GROUP BY r.id, b.charge_id HAVING r.points <> coalesce(-sum(e.points), 0)""",
    """SELECT format('charge %s: costs %s points, goes back to cards with %s', c.id, c.points,
                     coalesce(sum(r.points), 0))
       FROM points_giveback b JOIN points_charge c ON c.id = b.charge_id
       LEFT JOIN points_refund r ON r.giveback_id = b.id
       WHERE b.means = 'card' GROUP BY c.id HAVING c.points <> coalesce(sum(r.points), 0)""",
    """SELECT format('refund %s: is %s, %s of its %s points were credited', r.id, r.state,
                     coalesce(sum(lot.points), 0), r.points)
       FROM points_refund r JOIN points_giveback b ON b.id = r.giveback_id
       LEFT JOIN points_lot lot
            ON lot.from_charge_id = b.charge_id AND lot.purchase_id = r.purchase_id AND lot.origin = 'credit'
       GROUP BY r.id
       HAVING coalesce(sum(lot.points), 0) <> CASE WHEN r.state = 'failed' THEN r.points ELSE 0 END""",
    """SELECT format('credit %s: of charge %s, which goes back to a card and has no refund for it', lot.id, b.charge_id)
       FROM points_lot lot JOIN points_giveback b ON b.charge_id = lot.from_charge_id AND b.means = 'card'
       WHERE lot.origin = 'credit' AND NOT EXISTS (
           SELECT FROM points_refund r WHERE r.giveback_id = b.id AND r.purchase_id = lot.purchase_id)""",
    """SELECT format('purchase %s: %s paid for %s points, %s paid back for %s', p.id, p.amount_minor, p.points,
                     sum(r.amount_minor), sum(r.points))
       FROM points_purchase p JOIN points_refund r ON r.purchase_id = p.id AND r.state <> 'failed'
       GROUP BY p.id HAVING sum(r.amount_minor) > p.amount_minor OR sum(r.points) > p.points
                         OR (sum(r.points) = p.points AND sum(r.amount_minor) <> p.amount_minor)""",
    """SELECT format('refund %s: in %s, purchase %s was paid by %s in %s', r.id, r.currency, p.id, p.kind, p.currency)
       FROM points_refund r JOIN points_purchase p ON p.id = r.purchase_id
       WHERE p.kind <> 'card' OR r.currency <> p.currency""",
    # Holds (D32)
    """SELECT format('lot %s: %s by its row, purchase %s has %s open holds', lot.id,
                     CASE WHEN lot.held THEN 'on hold' ELSE 'free' END, lot.purchase_id, count(h.id))
       FROM points_lot lot LEFT JOIN points_hold h ON h.purchase_id = lot.purchase_id
            AND NOT EXISTS (SELECT FROM points_holddecision d WHERE d.hold_id = h.id)
       GROUP BY lot.id HAVING lot.held <> (count(h.id) > 0)""",
    """SELECT format('purchase %s: %s points written off, %s decided', p.id, gone.points, decided.points)
       FROM points_purchase p,
       LATERAL (SELECT coalesce(-sum(e.points), 0) AS points FROM points_entry e
                JOIN points_lot lot ON lot.id = e.lot_id
                WHERE lot.purchase_id = p.id AND e.cause = 'writeoff') gone,
       LATERAL (SELECT coalesce(sum(d.points), 0) AS points FROM points_holddecision d
                JOIN points_hold h ON h.id = d.hold_id
                WHERE h.purchase_id = p.id AND d.outcome = 'written_off') decided
       WHERE gone.points <> decided.points""",
    """SELECT format('entry %s: writes lot %s off at %s, after it expired', e.id, lot.id, e.at)
       FROM points_entry e JOIN points_lot lot ON lot.id = e.lot_id
       WHERE e.cause = 'writeoff' AND e.at >= lot.expires_at""",
    # Payments (D32)
    """SELECT format('purchase %s: by card, no payment paid it', p.id) FROM points_purchase p WHERE p.kind = 'card'
         AND NOT EXISTS (SELECT FROM points_payment t WHERE t.purchase_id = p.id AND t.state = 'paid')""",
    """SELECT format('payment %s: %s, its purchase %s', t.id, t.state, coalesce(t.purchase_id::text, 'is not there'))
       FROM points_payment t LEFT JOIN points_purchase p ON p.id = t.purchase_id AND p.kind = 'card'
       WHERE (t.state = 'paid') <> (p.id IS NOT NULL)""",
    """SELECT format('payment %s: %s points for %s %s, purchase %s of %s for %s %s', t.id, t.points, t.amount_minor,
                     t.currency, p.id, p.points, p.amount_minor, p.currency)
       FROM points_payment t JOIN points_purchase p ON p.id = t.purchase_id
       WHERE (t.customer_id, t.points, t.amount_minor, t.currency, t.provider_ref)
             IS DISTINCT FROM (p.customer_id, p.points, p.amount_minor, p.currency, p.provider_ref)""",
)


class Command(BaseCommand):
    help = (
        "Proves that entries, lots, charges, purchases, refunds, holds and payments agree (D6)."
        " Exit status 1 where they do not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--offline", action="store_true", help="do not compare with the payment provider's records")

    def handle(self, *args: Any, **options: Any) -> None:
        outermost = not connection.in_atomic_block
        with transaction.atomic(), connection.cursor() as cursor:
            if outermost:
                # One instant for all checks: a desk that is working meanwhile must not look broken.
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            differences = self._differences(cursor) + self._lifetimes() + self._credit_lives()
            cursor.execute(
                "SELECT (SELECT count(*) FROM points_purchase), (SELECT count(*) FROM points_lot),"
                " (SELECT count(*) FROM points_charge), (SELECT count(*) FROM points_entry)"
            )
            purchases, lots, charges, entries = cursor.fetchone()
        compared = ready() and not options["offline"]
        differences += self._provider() if compared else 0
        verdict = f"{differences} differences" if differences else "nothing differs"
        provider = "Compared with the payment provider" if compared else "Not compared with the payment provider"
        self.stdout.write(
            f"{provider}. {purchases} purchases, {lots} lots, {charges} charges, {entries} entries: {verdict}"
        )
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

    def _provider(self) -> int:
        """The provider's records agree with the ledger; no answer from it is a difference as well."""
        found = 0
        try:
            for line in comparing.differences(at=clock.now()):
                found += 1
                self.stdout.write(line)
        except (ProviderDown, ProviderRefused) as error:
            found += 1
            self.stdout.write(f"The payment provider’s records could not be compared: {error}")
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

    def _credit_lives(self) -> int:
        """Credits end as D3 says, or at the later instant that was granted with a reason."""
        wrong = 0
        later = GiveBack.objects.exclude(expires_at=None).values_list("charge_id", "expires_at")
        granted = {charge_id: until for charge_id, until in later if until is not None}
        opened = Entry.objects.filter(cause=Cause.CREDIT, lot__from_lot__isnull=False, lot__from_charge__isnull=False)
        for entry in opened.select_related("lot__from_lot", "lot__from_charge").order_by("pk").iterator(1000):
            source, charge = entry.lot.from_lot, entry.lot.from_charge
            assert source is not None
            assert charge is not None
            right = credit_expires_at(
                lot_expires_at=source.expires_at, charged_at=charge.charged_at, credited_at=entry.at
            )
            right = max(right, granted.get(charge.pk, right))
            if entry.lot.expires_at != right:
                wrong += 1
                self.stdout.write(
                    f"credit {entry.lot_id}: ends at {entry.lot.expires_at.isoformat()}, by D3 {right.isoformat()}"
                )
        return wrong
