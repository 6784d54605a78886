"""Points in Django admin: the ledger and what is sold, and the claims on hold. Written by services alone."""

from points.admin import holds, ledger, sales

__all__ = ["holds", "ledger", "sales"]
