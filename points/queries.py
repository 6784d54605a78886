"""What pages ask of the ledger. Points on hand are decided by the clock, never by a job (D1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import BigIntegerField, CharField, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from points.models import Cause, Charge, Entry, ExpiryWarning, Lot, PurchaseKind, Refund
from points.spending import LotState, plan_spending
from supportdesk.people.models import Contact
from supportdesk.policy import POLICY

# A warning is due less than this much earlier than its days before the expiry, whatever the zone's clocks do.
ZONES = timedelta(days=2)

CHUNK = 2_000  # rows that are fetched at once where all are


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Points that one lot pays or paid."""

    lot: Lot
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a charge would take, from which lots, and what would be left (R3, D2)."""

    cost: int
    on_hand: int
    parts: tuple[Part, ...]
    short_by: int

    @property
    def left(self) -> int:
        return self.on_hand - self.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """What of a charge goes back, or went back, to the card of one purchase (D4, D5)."""

    points: int
    amount_minor: int
    card_last4: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Why a balance changed, with all that can be said of it: the lot, how it came, and the charge."""

    cause: Cause
    kind: PurchaseKind
    lot_points: int
    lot_bought_at: datetime
    reason: str
    amount_minor: int
    currency: str
    reference: str
    channel: str
    points: int = 0
    refund: Refunded | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the statement: an entry, or an expiry that counts already and is not written yet."""

    at: datetime
    cause: Cause
    points: int
    lot: Lot
    reference: str
    balance: int
    channel: str = ""
    refund: Refunded | None = None

    @property
    def story(self) -> Story:
        purchase, origin = self.lot.purchase, self.lot.from_charge
        return Story(
            cause=self.cause,
            kind=PurchaseKind(purchase.kind),
            lot_points=self.lot.points,
            lot_bought_at=self.lot.bought_at,
            reason=purchase.reason,
            amount_minor=purchase.amount_minor,
            currency=purchase.currency,
            reference=origin.reference if origin and self.cause == Cause.CREDIT else self.reference,
            channel=self.channel,
            points=abs(self.points),
            refund=self.refund,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainLine:
    """A line of the whole statement, without its rows."""

    at: datetime
    points: int
    balance: int
    story: Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Some lines, newest first, each with the balance after it; ``more`` where older ones follow."""

    lines: tuple[Line, ...]
    more: bool


def lots_on_hand(*, customer_id: int, at: datetime) -> QuerySet[Lot]:
    """The lots that can be spent at ``at``, in the order in which they are spent: none on hold (D1, D2, D32)."""
    lots = Lot.objects.filter(customer_id=customer_id, held=False, remaining__gt=0, expires_at__gt=at)
    return lots.order_by("expires_at", "bought_at", "pk")


def balance(*, customer_id: int, at: datetime) -> int:
    """Points on hand at ``at``: one query, however long the history."""
    found = lots_on_hand(customer_id=customer_id, at=at).order_by().aggregate(total=Sum("remaining"))
    return found["total"] or 0


def balance_around(*, customer_id: int, instant: datetime) -> tuple[int, int]:
    """Points on hand an instant before ``instant`` and right after it, by what counts at which instant (D6).

    Taken back from what the lots have now, so it costs as much as was written since, not the whole history.
    An expiry that no job has written yet counts at its instant all the same (D1). Lots that are on hold now are
    left out at both instants (D32).
    """
    lots = Lot.objects.filter(customer_id=customer_id, held=False, remaining__gt=0).order_by()
    entries = Entry.objects.filter(customer_id=customer_id, lot__held=False).order_by()
    left = lots.aggregate(
        before=Sum("remaining", filter=Q(expires_at__gte=instant), default=0),
        after=Sum("remaining", filter=Q(expires_at__gt=instant), default=0),
    )
    since = entries.filter(at__gte=instant).aggregate(
        before=Sum("points", default=0), after=Sum("points", filter=Q(at__gt=instant), default=0)
    )
    return left["before"] - since["before"], left["after"] - since["after"]


def told_of_points(customer_id: int) -> list[Contact]:
    """Who gets mail about the customer's points: its administrators, or where there is none everybody who may see them.

    Only contacts that are present and have an e-mail address; never a restricted one (D7, D21).
    """
    contacts = list(_may_be_told().filter(customer_id=customer_id).order_by("pk"))
    return [contact for contact in contacts if contact.is_administrator] or contacts


def lots_to_warn_of(*, at: datetime) -> list[tuple[int, int, datetime, str]]:
    """Lots whose warning may be due at ``at``, earliest expiry first: lot, customer, expiry and zone of purchase (D7).

    One query along the index of lots with points left. It looks somewhat too far ahead, for days are those of
    the lot's own zone: ``points.warnings`` has the last word. A lot that was warned of is left out until its
    next threshold comes near; one of a customer whom no mail reaches, until somebody there has an address.
    """
    near = Q()
    for days in POLICY.expiry_warning_days:
        told = ExpiryWarning.objects.filter(lot=OuterRef("pk"), days__lte=days)
        near |= Q(~Exists(told), expires_at__lte=at + timedelta(days=days) + ZONES)
    lots = Lot.objects.filter(near, held=False, remaining__gt=0, expires_at__gt=at)
    lots = lots.filter(Exists(_may_be_told().filter(customer=OuterRef("customer")))).order_by("expires_at", "pk")
    return list(lots.values_list("pk", "customer_id", "expires_at", "purchase__zone"))


def _may_be_told() -> QuerySet[Contact]:
    return Contact.objects.filter(removed_at=None, restricted=False).exclude(email="")


def balances(customer_ids: Iterable[int], *, at: datetime) -> dict[int, int]:
    """Points on hand of several customers, in one query; a customer without any is left out."""
    lots = Lot.objects.filter(customer_id__in=set(customer_ids), held=False, remaining__gt=0, expires_at__gt=at)
    found = lots.order_by().values("customer_id").annotate(total=Sum("remaining"))
    return dict(found.values_list("customer_id", "total"))


def quote(*, customer_id: int, points: int, at: datetime) -> Quote:
    """What charging ``points`` at ``at`` would do; nothing is reserved by asking (R3)."""
    lots = {lot.pk: lot for lot in lots_on_hand(customer_id=customer_id, at=at)}
    states = [
        LotState(id=lot.pk, remaining=lot.remaining, expires_at=lot.expires_at, bought_at=lot.bought_at)
        for lot in lots.values()
    ]
    spending = plan_spending(lots=states, points=points, at=at)
    return Quote(
        cost=points,
        on_hand=spending.on_hand,
        parts=tuple(Part(lot=lots[pk], points=drawn) for pk, drawn in spending.parts),
        short_by=spending.short_by,
    )


def charge_parts(*, charge_id: int) -> list[Part]:
    """Which lots paid a charge, in the order in which they were drawn."""
    entries = (
        Entry.objects.filter(charge_id=charge_id, cause=Cause.CHARGE).order_by("pk").select_related("lot__purchase")
    )
    return [Part(lot=entry.lot, points=-entry.points) for entry in entries]


def statement(*, customer_id: int, at: datetime, page: int = 1, size: int = 50) -> Statement:
    """A page of the statement, newest first, by the instants at which entries count (D6).

    The newest balance is what the database keeps in the lots, so the first page costs the same however long
    the history is. An expiry that no job has written yet stands in its place all the same (D1). A page past
    the end is empty.
    """
    entries = Entry.objects.filter(customer_id=customer_id).order_by("-at", "-pk")
    start = (page - 1) * size
    # One row before the page and one after it say where it begins and ends.
    first = max(0, start - 1)
    rows = list(entries.select_related("lot__purchase", "lot__from_charge", "charge")[first : start + size + 1])
    above = rows.pop(0).at if start and rows else None
    shown, more = rows[:size], len(rows) > size
    if start and not shown:
        return Statement(lines=(), more=False)
    left = Lot.objects.filter(customer_id=customer_id, remaining__gt=0)
    unwritten = list(left.filter(expires_at__lte=at).select_related("purchase", "from_charge"))
    running = left.aggregate(total=Sum("remaining"))["total"] or 0
    running -= sum(lot.remaining for lot in unwritten if above is None or lot.expires_at <= above)
    if start:
        running -= entries.values("points")[:start].aggregate(total=Sum("points"))["total"] or 0

    here: list[tuple[datetime, int, Cause, int, Lot, Charge | None]] = [
        (lot.expires_at, 0, Cause.EXPIRY, -lot.remaining, lot, None)
        for lot in unwritten
        if (above is None or lot.expires_at <= above) and (not more or lot.expires_at > shown[-1].at)
    ]
    here += [(row.at, row.pk, Cause(row.cause), row.points, row.lot, row.charge) for row in shown]
    refunds = _refunds_of(charge.pk for *_rest, charge in here if charge is not None)
    lines = []
    # Of lines with one instant an unwritten expiry is the older one, and goes to the page of what follows.
    for counts_at, _pk, cause, points, lot, charge in sorted(
        here, key=lambda line: (line[0], line[1], line[4].pk), reverse=True
    ):
        lines.append(
            Line(
                at=counts_at,
                cause=cause,
                points=points,
                lot=lot,
                reference=charge.reference if charge else "",
                balance=running,
                channel=charge.channel if charge else "",
                refund=refunds.get((charge.pk, lot.purchase_id)) if charge and cause == Cause.CHARGE else None,
            )
        )
        running -= points
    return Statement(lines=tuple(lines), more=more)


def _refunds_of(charge_ids: Iterable[int]) -> dict[tuple[int, int], Refunded]:
    """What of these charges goes back to cards, by charge and purchase; what was refused came back as points."""
    live = Refund.objects.exclude(state=Refund.State.FAILED).filter(giveback__charge__in=set(charge_ids))
    found = live.order_by().values_list(
        "giveback__charge_id", "purchase_id", "points", "amount_minor", "purchase__card_last4"
    )
    return {
        (charge, purchase): Refunded(points=points, amount_minor=amount, card_last4=last4)
        for charge, purchase, points, amount, last4 in found
    }


def every_line(*, customer_id: int, at: datetime) -> Iterator[PlainLine]:
    """The whole statement, oldest first, in constant memory (D6).

    One statement of SQL, so that an expiry stands in it once even where a job writes it meanwhile (D1).
    """
    of_lot = (
        *("lot__purchase__kind", "lot__points", "lot__bought_at", "lot__purchase__reason"),
        *("lot__purchase__amount_minor", "lot__purchase__currency", "lot__purchase__card_last4"),
    )
    nothing = Value("", output_field=CharField())
    none = Value(None, output_field=BigIntegerField())
    live = Refund.objects.exclude(state=Refund.State.FAILED).order_by()
    back = live.filter(giveback__charge=OuterRef("charge"), purchase=OuterRef("lot__purchase"))
    entries = (
        Entry.objects.filter(customer_id=customer_id)
        .annotate(
            ticket=Coalesce(F("charge__reference"), F("lot__from_charge__reference"), nothing),
            by=Coalesce(F("charge__channel"), nothing),
            back_minor=Subquery(back.values("amount_minor")),
            back_points=Subquery(back.values("points"), output_field=BigIntegerField()),
        )
        .values_list("at", "pk", "lot_id", "cause", "points", *of_lot, "ticket", "by", "back_minor", "back_points")
    )
    expired = (
        Lot.objects.filter(customer_id=customer_id, remaining__gt=0, expires_at__lte=at)
        .annotate(
            zero=Value(0, output_field=BigIntegerField()),
            why=Value(Cause.EXPIRY.value, output_field=CharField()),
            gone=-F("remaining"),
            ticket=nothing,
            by=nothing,
            back_minor=none,
            back_points=none,
        )
        .values_list(
            *("expires_at", "zero", "pk", "why", "gone"),
            *(name.removeprefix("lot__") for name in of_lot),
            *("ticket", "by", "back_minor", "back_points"),
        )
    )
    # By instant, then by number, an expiry without one first: as pages of the statement have it.
    rows = entries.order_by().union(expired.order_by(), all=True).order_by("at", "pk", "lot_id")
    running = 0
    for row in rows.iterator(chunk_size=CHUNK):
        when, _pk, _lot, cause, points, kind, size, bought, reason, amount, currency, last4, *rest = row
        ticket, by, back_minor, back_points = rest
        running += points
        refund = None
        if cause == Cause.CHARGE and back_minor is not None:
            refund = Refunded(points=back_points, amount_minor=back_minor, card_last4=last4)
        yield PlainLine(
            at=when,
            points=points,
            balance=running,
            story=Story(
                cause=Cause(cause),
                kind=PurchaseKind(kind),
                lot_points=size,
                lot_bought_at=bought,
                reason=reason,
                amount_minor=amount,
                currency=currency,
                reference=ticket if cause in (Cause.CHARGE, Cause.CREDIT) else "",
                channel=by,
                points=abs(points),
                refund=refund,
            ),
        )
