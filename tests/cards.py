"""A bug whose incident two cards paid in two currencies, and what the provider says of its refunds."""

from __future__ import annotations

from datetime import datetime, timedelta

from incidents.cases import CreditCase
from incidents.services import crediting
from points.models import Refund
from points.refund_services import RefundWord
from tests.cast import Cast
from tests.incidents_helpers import key, opened
from tests.points.ledger import bought

EUR, JPY = "EUR 32.00", "JPY 600"
BOTH = f"{EUR} and {JPY}"


def paid_by_two(cast: Cast, *, at: datetime) -> CreditCase:
    """Ten points: four at EUR 8, from a lot that ends first, and six at JPY 100; marked as a bug."""
    bought(cast.acme, 4, 3200, at=at - timedelta(days=100))
    bought(cast.acme, 30, 3000, at=at - timedelta(days=10), currency="JPY")
    incident = opened(cast.owner, at=at, points=0)
    return crediting.mark_bug(incident_id=incident.pk, reference="QM-4518", user=cast.technician, at=at, key=key())


def refunded(case: CreditCase, cast: Cast, *, at: datetime) -> list[Refund]:
    """The admin refunds the cards."""
    crediting.determine(case_id=case.pk, outcome="refunded", reason="", user=cast.admin, at=at, key=key())
    return list(Refund.objects.order_by("pk"))


def heard(refund: Refund, state: str, *, at: datetime, text: str = "") -> None:
    """What the provider says of a refund."""
    word = RefundWord(state=Refund.State(state), provider_ref=f"re_{refund.pk}", text=text)
    assert crediting.settle_refund(refund_id=refund.pk, word=word, at=at) is not None
