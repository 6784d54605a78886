"""Products, incidents, credits and refunds in Django admin. What the desk does is only looked at here."""

from incidents.admin import credits, lists, refunds

__all__ = ["credits", "lists", "refunds"]
