"""Giving a charge back to the cards that paid it (D4, D5). ``at`` is given by the caller; nothing here calls anybody.

The decision writes rows; ``points.payments.sending`` carries them to the provider and brings its word back here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.db import transaction
from django.utils.translation import gettext as _

from points.crediting import plan_credits
from points.giving_back import legs_of, refund_preview, refunds_of
from points.models import Charge, GiveBack, Lot, Refund
from points.opening import open_credits
from points.refusals import AlreadyGivenBack, KeyReused, NotToCard, ReasonMissing
from supportdesk.mail.wake import wake
from supportdesk.people.models import User
from supportdesk.people.services import lock_customer

WORD_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundWord:
    """What the provider says of a refund: its reference, and whether the money is on its way, back, or refused."""

    state: Refund.State  # SENT, DONE or FAILED
    provider_ref: str | None = None
    text: str = ""


@transaction.atomic
def refund_to_card(*, charge_id: int, at: datetime, actor: User | None, key: str, reason: str) -> tuple[Refund, ...]:
    """Decides that a charge goes back to the cards that paid it: one refund a purchase, all of them or none (D4, D5).

    The refunds wait to be sent; each keeps one idempotency key for ever. Locks the customer's row first. The same
    key with the same content gives the first refunds back.

    Raises AlreadyGivenBack, NotToCard, ReasonMissing, KeyReused; then nothing has changed.
    """
    reason = reason.strip()
    lock_customer(Charge.objects.values_list("customer_id", flat=True).get(pk=charge_id))
    before = GiveBack.objects.filter(key=key).first()
    if before is not None:
        if (before.charge_id, before.means, before.reason) != (charge_id, GiveBack.Means.CARD, reason):
            raise KeyReused
        return refunds_of(charge_id=charge_id)
    done = GiveBack.objects.filter(charge_id=charge_id).select_related("actor").first()
    if done is not None:
        raise AlreadyGivenBack(when=done.at, by=done.actor)
    if not reason:
        raise ReasonMissing(_("Say why: the reason stands in the ledger for ever."))
    preview = refund_preview(charge_id=charge_id)
    if preview.refusal is not None:
        raise NotToCard(preview.refusal)
    giveback = GiveBack.objects.create(
        charge_id=charge_id, means=GiveBack.Means.CARD, at=at, actor=actor, reason=reason, key=key
    )
    Refund.objects.bulk_create(
        Refund(
            giveback=giveback,
            purchase=leg.purchase,
            points=leg.points,
            amount_minor=leg.amount_minor,
            currency=leg.purchase.currency,
            key=f"refund-{uuid4().hex}",
            decided_at=at,
            next_try_at=at,
        )
        for leg in preview.legs
    )
    transaction.on_commit(wake_sender, robust=True)
    return refunds_of(charge_id=charge_id)


@transaction.atomic
def record_refund(*, refund_id: int, word: RefundWord, at: datetime) -> Refund | None:
    """Keeps what the provider says of a refund; None where it is nothing new (D5).

    A refund that is refused for good, or comes back from the bank later, gives its leg back as points in the same
    transaction, with the life they had left when they were spent (D3, D4). What failed stays failed, what was
    paid back does not become pending again, whatever order the words come in. Locks the customer's row first.
    """
    charge_id, customer_id = Refund.objects.values_list("giveback__charge_id", "giveback__charge__customer_id").get(
        pk=refund_id
    )
    lock_customer(customer_id)
    refund = Refund.objects.select_for_update(of=("self",)).select_related("purchase", "giveback").get(pk=refund_id)
    if not _is_news(refund, word):
        return None
    refund.state = word.state
    refund.provider_ref = refund.provider_ref or word.provider_ref
    refund.word = word.text[:WORD_MAX]
    refund.last_error = ""
    if word.state != Refund.State.SENT:
        refund.settled_at = max(at, refund.decided_at)
    refund.save(update_fields=["state", "provider_ref", "word", "last_error", "settled_at"])
    if word.state == Refund.State.FAILED:
        charge = Charge.objects.get(pk=charge_id)
        of_purchase = set(Lot.objects.filter(purchase=refund.purchase_id).values_list("pk", flat=True))
        legs = [leg for leg in legs_of(charge_id=charge_id) if leg.lot_id in of_purchase]
        planned = plan_credits(legs=legs, charged_at=charge.charged_at, credited_at=at)
        open_credits(charge=charge, planned=planned, at=at, actor=None)
    return refund


_RANK = {Refund.State.PENDING: 0, Refund.State.SENT: 1, Refund.State.DONE: 2, Refund.State.FAILED: 3}


def _is_news(refund: Refund, word: RefundWord) -> bool:
    return _RANK[word.state] > _RANK[Refund.State(refund.state)]


@transaction.atomic
def try_again(*, refund_id: int, at: datetime) -> bool:
    """Lets a refund that waits be tried now instead of later; False where there is nothing left to try."""
    waiting = Refund.objects.filter(pk=refund_id, state__in=[Refund.State.PENDING, Refund.State.SENT])
    transaction.on_commit(wake_sender, robust=True)
    return waiting.update(next_try_at=at) == 1


def wake_sender() -> None:
    """Tells a worker that a refund is due; the schedule finds it anyhow."""
    wake("incidents.send_refunds")
