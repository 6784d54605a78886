"""Products, incidents, credits, refunds, customers and closures in Django admin.

What the desk does is only looked at here.
"""

from incidents.admin import closures, credits, customers, lists, refunds

__all__ = ["closures", "credits", "customers", "lists", "refunds"]
