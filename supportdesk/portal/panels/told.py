"""Who follows an incident, and whom its mails go to, as its customer sees it (D38)."""

from __future__ import annotations

from typing import Any

from incidents.access import followers_for, pays_for
from incidents.mails.sending import readers
from incidents.models import Incident
from supportdesk.people.access import contacts_for
from supportdesk.people.doors import DeskRequest

COLLEAGUES_MAX = 500


def panel(request: DeskRequest, incident: Incident) -> dict[str, Any]:
    """Followers by name; the colleagues who could be added, for whoever may know them (D21)."""
    member = request.scope.membership(incident.customer_id)
    followers = list(followers_for(request.scope, incident))
    may_change = member is not None and not member.restricted
    following = {incident.contact_id, *(follower.contact_id for follower in followers)}
    others = contacts_for(request.scope).filter(customer=incident.customer_id).exclude(pk__in=following)
    return {
        "me": member and member.contact_id,
        "followers": followers,
        "recipients": readers(incident),
        "may_change": may_change,
        "may_follow": list(others.order_by("name", "pk")[:COLLEAGUES_MAX]) if may_change else [],
        "pays": pays_for(request.scope, incident),
    }
