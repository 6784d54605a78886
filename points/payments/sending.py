"""Carries refunds to the provider and brings its word back (D5). No call is made inside a transaction.

1. Claim one refund, and commit that. 2. From the second try on, look for it in the provider's records: its keys are
kept there for a day or so, and what timed out may have been done. Only what is not there is sent, under the same key.
3. Record the word, if the claim still holds. Dying after 1 or 2 costs a lease, never a second refund.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q

from points.giving_back import money_went_back
from points.models import Refund
from points.payments import provider
from points.payments.facts import RefundFact
from points.payments.provider import NotThere, ProviderDown, ProviderRefused
from points.payments.syncing import Settle, is_of, word_of
from points.refund_services import RefundWord
from supportdesk.mail.texts import one_line
from supportdesk.people.services import lock_customer

logger = logging.getLogger(__name__)

# Longer than the slowest talk with the provider: past it the worker is taken for dead, and another one tries.
LEASE: Final = timedelta(minutes=10)
FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=6)
# How often what is on its way is looked at, should its event be lost: in its first day, and later.
LOOK_SOON: Final = timedelta(hours=1)
LOOK_LATER: Final = timedelta(days=1)
BATCH: Final = 100
ERROR_MAX: Final = 500
# What the provider says of the refund itself, for good (docs/decisions/0005).
FOR_GOOD: Final = frozenset(
    {"charge_already_refunded", "charge_disputed", "charge_not_refundable", "card_declined", "refund_disputed_payment"}
    | {"expired_or_canceled_card", "lost_or_stolen_card", "amount_too_large", "amount_too_small", "wrong_amount"}
    | {"payment_intent_unexpected_state"}
)
WENT_BACK: Final = "Not sent: money of this payment went back otherwise meanwhile."
_UNDER_WAY: Final = (Refund.State.PENDING, Refund.State.SENT)


def send_due(*, now: Callable[[], datetime], settle: Settle, limit: int = BATCH) -> int:
    """Sends what is due and looks at what is on its way, one by one; gives how many refunds moved on (D5).

    ``settle`` records a word with all that it causes. Where the provider is down the rest waits for the next run.
    """
    moved = 0
    for _turn in range(limit):
        refund = _claim(now())
        if refund is None:
            break
        try:
            moved += _record(refund, _word(refund), at=now(), settle=settle)
        except ProviderDown as error:
            _put_off(refund, str(error), at=now())
            if not isinstance(error, NotThere | OtherMoney | Unclear):  # those have a reason of their own
                break
        except Exception as error:  # whatever is the matter with one refund, the others go out
            logger.exception("Refund %s could not be handled", refund.pk)
            _put_off(refund, f"{type(error).__name__}: {error}", at=now())
    return moved


@transaction.atomic(durable=True)
def _claim(at: datetime) -> Refund | None:
    """The refund that has been due longest, claimed for the time of a lease; None where nothing is due."""
    refund = (
        Refund.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("purchase")
        .filter(Q(claimed_until=None) | Q(claimed_until__lte=at), state__in=_UNDER_WAY, next_try_at__lte=at)
        .order_by("next_try_at", "id")
        .first()
    )
    if refund is not None:
        refund.fence += 1
        refund.tries += 1
        refund.claimed_until = at + LEASE
        refund.save(update_fields=["fence", "tries", "claimed_until"])
    return refund


class Unclear(ProviderDown):
    """A refusal that is not one of the refund itself: it waits, and an admin sees it."""


class OtherMoney(ProviderDown):
    """The provider has a refund under our key, and it is of other money."""


def _word(refund: Refund) -> RefundWord:
    """What the provider says of a refund, after it was asked for it where it had none. Raises ProviderDown.

    One that was not sent yet is not sent any more where the payment's money went back otherwise meanwhile (D32).
    """
    found = provider.find_refund(refund) if refund.tries > 1 or refund.provider_ref is not None else None
    if found is not None:
        return word_of(_ours(found, refund))
    if refund.provider_ref is None and money_went_back(purchase_id=refund.purchase_id):
        return RefundWord(state=Refund.State.FAILED, text=WENT_BACK)
    try:
        return word_of(_ours(provider.send_refund(refund), refund))
    except ProviderRefused as refusal:
        # Whatever else is refused may be a fault of our set-up: points that came back would not go away again.
        if refusal.code not in FOR_GOOD:
            raise Unclear(str(refusal)) from refusal
        return RefundWord(state=Refund.State.FAILED, text=str(refusal))


def _ours(fact: RefundFact, refund: Refund) -> RefundFact:
    """Raises ProviderDown where the provider's record under our key is of other money: an admin has to look."""
    if not is_of(fact, refund):
        raise OtherMoney(f"{fact.ref} has this refund’s key, and is {fact.amount_minor} {fact.currency}")
    return fact


@transaction.atomic
def _record(refund: Refund, word: RefundWord, *, at: datetime, settle: Settle) -> bool:
    """Keeps the word if the claim still is the latest one; whether it was news."""
    lock_customer(refund.purchase.customer_id)
    if not Refund.objects.select_for_update(no_key=True).filter(pk=refund.pk, fence=refund.fence).exists():
        logger.warning("Refund %s: an answer came after its claim was over", refund.pk)
        return False
    settled = settle(refund_id=refund.pk, word=word, at=at)
    soon = at < refund.decided_at + LOOK_LATER
    Refund.objects.filter(pk=refund.pk).update(
        claimed_until=None, last_error="", next_try_at=at + (LOOK_SOON if soon else LOOK_LATER)
    )
    return settled is not None


def _put_off(refund: Refund, error: str, *, at: datetime) -> None:
    """Keeps what went wrong and when the next try is: each wait is twice as long, up to six hours, without an end."""
    wait = min(FIRST_WAIT * 2 ** min(refund.tries - 1, 10), LONGEST_WAIT)
    mine = Refund.objects.filter(pk=refund.pk, fence=refund.fence)
    mine.update(claimed_until=None, next_try_at=at + wait, last_error=one_line(error, ERROR_MAX))
    logger.warning("Refund %s waits for its next try: %s", refund.pk, one_line(error, ERROR_MAX))
