"""Whose points somebody may see (D21, D22)."""

from __future__ import annotations

from django.db.models import QuerySet

from supportdesk.people.models import Customer
from supportdesk.people.scope import Scope


def holders_for(scope: Scope) -> QuerySet[Customer]:
    """Customers whose points the scope may see: all for the desk, none for a restricted contact (D21)."""
    if scope.desk:
        return Customer.objects.all()
    return Customer.objects.filter(pk__in=scope.full_customer_ids)
