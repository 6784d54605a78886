"""Whom an incident's mails go to, and who may be added (D38)."""

from __future__ import annotations

from typing import Any

from incidents.access import followers_for
from incidents.mails.sending import readers
from incidents.models import Incident
from supportdesk.people.access import contacts_for
from supportdesk.people.doors import DeskRequest

COLLEAGUES_MAX = 500


def panel(request: DeskRequest, incident: Incident) -> dict[str, Any]:
    """The recipients of the next mail, the followers, and the customer's contacts who could follow."""
    followers = list(followers_for(request.scope, incident))
    following = {incident.contact_id, *(follower.contact_id for follower in followers)}
    others = contacts_for(request.scope).filter(customer=incident.customer_id).exclude(pk__in=following)
    return {
        "recipients": readers(incident),
        "followers": followers,
        "may_follow": list(others.order_by("name", "pk")[:COLLEAGUES_MAX]),
    }
