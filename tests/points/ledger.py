"""Makers of lots and charges, and the ledger as raw SQL sees it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from points import services
from points.hold_services import Claim, decide_hold, place_hold
from points.models import Cause, Charge, Entry, Hold, HoldDecision, Lot, Payment, Purchase, Refund
from points.refund_services import RefundWord, record_refund, refund_to_card
from points.sale_services import PaidFact, settle_payment
from supportdesk.people.models import Customer, User
from supportdesk.places import zone_info
from supportdesk.roles import as_owner

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
_serial = itertools.count(1)


def key() -> str:
    """A key that nothing had before."""
    return f"points-test-{next(_serial)}"


def given(customer: Customer, points: int, *, at: datetime, key_: str = "", reason: str = "For the test") -> Lot:
    """A lot of granted points."""
    return services.grant(customer=customer, points=points, at=at, reason=reason, actor=None, key=key_ or key())


def charged(customer: Customer, points: int = 10, *, at: datetime, key_: str = "", reference: str = "100-4") -> Charge:
    """What an e-mail incident of that price costs."""
    return services.charge(
        customer_id=customer.pk,
        points=points,
        channel="email",
        reference=reference,
        at=at,
        actor=None,
        key=key_ or key(),
    )


def credited(lot: Lot, points: int, *, at: datetime, expires_at: datetime) -> Lot:
    """A credit that ends at any instant within a year: a lot bought long ago was spent with just that life left."""
    customer = lot.customer
    bought = given(customer, points, at=at - 400 * DAY)
    spent_at = bought.expires_at - (expires_at - at)
    made = Charge.objects.create(
        customer=customer, points=points, channel="email", reference="100-4", charged_at=spent_at, key=key()
    )
    Entry.objects.create(
        customer=customer, lot=bought, charge=made, cause=Cause.CHARGE, points=-points, at=spent_at, key=key()
    )
    (credit,) = back(made, at=at)
    assert credit.expires_at == expires_at
    return credit


def back(
    charge: Charge, *, at: datetime, key_: str = "", reason: str = "A bug", until: datetime | None = None
) -> list[Lot]:
    """What giving a charge back makes."""
    return services.credit_back(
        charge_id=charge.pk, at=at, actor=None, key=key_ or key(), reason=reason, expires_at=until
    )


def bought(
    customer: Customer, points: int = 30, amount_minor: int = 24000, *, at: datetime, currency: str = "EUR"
) -> Lot:
    """A lot that was paid by a card ending 4242."""
    user = User.objects.get_or_create(email="buyer@acme.example", defaults={"name": "Buyer"})[0]
    payment = Payment.objects.create(
        customer=customer,
        user=user,
        points=points,
        amount_minor=amount_minor,
        currency=currency,
        started_at=at,
        looked_at=at,
        key=key(),
    )
    fact = PaidFact(
        payment_id=str(payment.pk),
        provider_ref=f"pi_{payment.pk}",
        amount_minor=amount_minor,
        currency=currency,
        paid_at=at,
        card_brand="visa",
        card_last4="4242",
    )
    lot = settle_payment(payment_id=payment.pk, fact=fact, at=at)
    assert lot is not None
    return lot


def on_hold(lot: Lot, *, at: datetime, kind: str = "chargeback", status: str = "needs_response") -> Hold:
    """A hold on what is left of the lot's purchase."""
    claim = Claim(
        kind=Hold.Kind(kind),
        provider_ref=f"claim-{key()}",
        amount_minor=lot.purchase.amount_minor,
        currency=lot.purchase.currency,
        reason="fraudulent",
        status=status,
        happened_at=at,
    )
    hold = place_hold(purchase_id=lot.purchase_id, claim=claim, at=at)
    assert hold is not None
    return hold


def decided(hold: Hold, outcome: str, *, by: User, at: datetime, key_: str = "", reason: str = "Looked at") -> Any:
    """An admin's word on a hold."""
    return decide_hold(
        hold_id=hold.pk,
        outcome=HoldDecision.Outcome(outcome),
        reason=reason,
        actor=by,
        at=at,
        key=key_ or key(),
    )


def to_card(charge: Charge, *, at: datetime, key_: str = "", reason: str = "A bug") -> tuple[Refund, ...]:
    """The refunds that give a charge back to the cards that paid it; the provider's key has to be set."""
    return refund_to_card(charge_id=charge.pk, at=at, actor=None, key=key_ or key(), reason=reason)


def said(refund: Refund, state: str, *, at: datetime) -> Refund | None:
    """What the provider says of a refund."""
    word = RefundWord(state=Refund.State(state), provider_ref=f"re_{refund.pk}", text=f"it is {state}")
    return record_refund(refund_id=refund.pk, word=word, at=at)


def rows() -> dict[str, int]:
    """How many rows the ledger has: the same after what was refused."""
    return {model.__name__: model.objects.count() for model in (Purchase, Lot, Charge, Entry)}


def left(*lots: Lot) -> list[int]:
    """What the database says is left of each lot."""
    found = dict(Lot.objects.values_list("pk", "remaining"))
    return [found[lot.pk] for lot in lots]


def midnight(customer: Customer, day: date) -> datetime:
    """The first instant of the customer's local day."""
    return datetime(day.year, day.month, day.day, tzinfo=zone_info(customer.zone))


def sql(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """What the statement gives, as the role of the connection."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def owner_sql(*statements: str) -> None:
    """Runs statements as the owner, each committed."""
    with as_owner():
        for statement in statements:
            sql(statement)


@contextmanager
def refused(words: str) -> Iterator[None]:
    """The database refuses, with these words, what the block does: at its end at the latest, as at a commit."""
    with pytest.raises(DatabaseError, match=words), transaction.atomic():  # noqa: PT012 the block is the caller's
        yield
        sql("SET CONSTRAINTS ALL IMMEDIATE")


def raw_purchase(customer: Customer, points: int, *, at: datetime, **changed: Any) -> int:
    """A purchase's row alone; gives its id."""
    row = {
        "customer_id": customer.pk,
        "kind": "grant",
        "points": points,
        "amount_minor": 0,
        "currency": "",
        "bought_at": at,
        "bought_on": at.astimezone(zone_info(customer.zone)).date(),
        "zone": customer.zone,
        "reason": "For the test",
        "provider": "",
        "provider_ref": "",
        "key": key(),
        **changed,
    }
    return _insert("points_purchase", row)


def raw_lot(customer: Customer, points: int, *, at: datetime, purchase_id: int, **changed: Any) -> int:
    """A lot's row alone; gives its id."""
    row = {
        "customer_id": customer.pk,
        "purchase_id": purchase_id,
        "origin": "purchase",
        "points": points,
        "remaining": 0,
        "bought_at": at,
        "expires_at": at + timedelta(days=365),
        **changed,
    }
    return _insert("points_lot", row)


def raw_charge(customer: Customer, points: int, *, at: datetime, **changed: Any) -> int:
    """A charge's row alone; gives its id."""
    row = {
        "customer_id": customer.pk,
        "points": points,
        "channel": "email",
        "reference": "100-4",
        "charged_at": at,
        "key": key(),
        **changed,
    }
    return _insert("points_charge", row)


def raw_entry(customer: Customer, lot_id: int, cause: str, points: int, *, at: datetime, **changed: Any) -> int:
    """An entry's row alone; gives its id."""
    row = {
        "customer_id": customer.pk,
        "lot_id": lot_id,
        "cause": cause,
        "points": points,
        "at": at,
        "key": key(),
        **changed,
    }
    return _insert("points_entry", row)


def _insert(table: str, row: dict[str, Any]) -> int:
    columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
    ((made,),) = sql(f"INSERT INTO {table} ({columns}) VALUES ({places}) RETURNING id", *row.values())
    return int(made)


def checked() -> str:
    """What ``check_ledger`` prints of a ledger that is right; SystemExit where it is not."""
    out = StringIO()
    call_command("check_ledger", "--offline", stdout=out)
    return out.getvalue()
