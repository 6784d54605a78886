"""Whose points somebody may see, and what of the ledger waits for an admin (D21, D22)."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from points.models import Hold, Payment, Refund
from supportdesk.people.models import Customer
from supportdesk.people.scope import Scope


def holders_for(scope: Scope) -> QuerySet[Customer]:
    """Customers whose points the scope may see: all for the desk, none for a restricted contact (D21)."""
    if scope.desk:
        return Customer.objects.all()
    return Customer.objects.filter(pk__in=scope.full_customer_ids)


def payments_for(scope: Scope) -> QuerySet[Payment]:
    """Payments of the customers whose points a contact may see; of the desk's people none by this door (D21, D22)."""
    return Payment.objects.filter(customer_id__in=scope.full_customer_ids)


def holds_to_decide(scope: Scope) -> QuerySet[Hold]:
    """Holds that an admin has to release or write off; none for anybody else (D22, D32)."""
    return Hold.objects.filter(decision=None) if scope.admin else Hold.objects.none()


def refunds_stuck(scope: Scope) -> QuerySet[Refund]:
    """Refunds under way that met an error, or that nobody tried in time; for admins only (D5, D22)."""
    overdue = Q(next_try_at__lt=Now() - timedelta(hours=1))
    stuck = Refund.objects.filter(overdue | ~Q(last_error=""), state__in=[Refund.State.PENDING, Refund.State.SENT])
    return stuck if scope.admin else stuck.none()


def payments_contradicted(scope: Scope) -> QuerySet[Payment]:
    """Payments of which the provider's record is not what was asked for; for admins only (D22, D32)."""
    found = Payment.objects.filter(state=Payment.State.CONTRADICTED)
    return found if scope.admin else found.none()
