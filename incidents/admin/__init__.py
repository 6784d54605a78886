"""Products, incidents, credits, refunds and customers in Django admin. What the desk does is only looked at here."""

from incidents.admin import credits, customers, lists, refunds

__all__ = ["credits", "customers", "lists", "refunds"]
