"""Whose points somebody may see (D21, D22)."""

from __future__ import annotations

from django.db.models import QuerySet

from points.models import Payment
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
