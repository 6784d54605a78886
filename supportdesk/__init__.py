"""A support desk for vendors who sell support by the incident, paid with prepaid support points."""

from supportdesk.celery import app as celery_app

__all__ = ["celery_app"]
