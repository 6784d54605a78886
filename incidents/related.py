"""What an incident came of and what came of it, and what a new report of a closed one begins with (D14, D16, D35)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from incidents.access import current_releases, incidents_for, messages_for, timeline_for
from incidents.models import Incident, MessageKind, OriginKind, TimelineCode
from incidents.statuses import Status
from incidents.windows import may_reopen
from supportdesk.mail.quotes import unquoted
from supportdesk.people.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """The incidents that belong to one, as far as a scope may see them; one question for all of them."""

    origin: Incident | None
    split: tuple[Incident, ...]
    anew: tuple[Incident, ...]
    merged_into: Incident | None
    merged: tuple[Incident, ...]

    def __bool__(self) -> bool:
        return any((self.origin, self.split, self.anew, self.merged_into, self.merged))


def related(scope: Scope, incident: Incident) -> Related:
    """Links both ways (D14, D16, D35): none to what the scope may not see (D21, D22)."""
    of_it = Q(origin=incident) | Q(merged_into=incident)
    found = list(
        incidents_for(scope)
        .filter(of_it | Q(pk__in=[pk for pk in (incident.origin_id, incident.merged_into_id) if pk]))
        .order_by("opened_at", "pk")
    )
    by_id = {other.pk: other for other in found}
    came_of_it = [other for other in found if other.origin_id == incident.pk]
    return Related(
        origin=by_id.get(incident.origin_id or 0),
        split=tuple(other for other in came_of_it if other.origin_kind == OriginKind.SPLIT),
        anew=tuple(other for other in came_of_it if other.origin_kind == OriginKind.ANEW),
        merged_into=by_id.get(incident.merged_into_id or 0),
        merged=tuple(other for other in found if other.merged_into_id == incident.pk),
    )


def may_report_anew(incident: Incident) -> bool:
    """A closed incident may be reported anew, whoever decided what; a merged one lives on in another (D16, D35)."""
    return incident.status == Status.CLOSED and incident.merged_into_id is None


def offers_anew(scope: Scope, incident: Incident, *, at: datetime) -> bool:
    """Whether its page offers a new report: the re-opening was refused, or its window is over (D16)."""
    if not may_report_anew(incident) or incident.reopen_asked_at is not None:
        return False
    first = incident.first_closed_at
    if first is not None and not may_reopen(first_closed_at=first, zone=incident.customer.zone, at=at):
        return True
    decided = (TimelineCode.REOPEN_REFUSED, TimelineCode.REOPENED)
    last = timeline_for(scope, incident).filter(code__in=decided).order_by("at", "pk").last()
    return last is not None and last.code == TimelineCode.REOPEN_REFUSED


def anew(scope: Scope, incident: Incident, *, at: datetime) -> dict[str, Any]:
    """What the form shows of a closed incident that is reported anew: its words can all be changed (D16)."""
    is_current = current_releases(at=at, zone=incident.customer.zone).filter(pk=incident.release_id).exists()
    return {
        "kind": incident.kind,
        "product": incident.release.product_id,
        "release": incident.release_id if is_current else None,
        "subject": incident.subject,
        "text": _asked_with(scope, incident),
    }


def _asked_with(scope: Scope, incident: Incident) -> str:
    """What the customer wrote when they asked to re-open it, or else their latest message, without what it quotes."""
    steps = timeline_for(scope, incident).order_by("at", "pk")
    asked = steps.filter(code=TimelineCode.REOPEN_ASKED).last()
    messages = messages_for(scope, incident).filter(kind=MessageKind.CUSTOMER).order_by("at", "pk")
    if asked is not None and not steps.filter(code=TimelineCode.REOPENED, pk__gt=asked.pk).exists():
        wrote = steps.filter(code=TimelineCode.CUSTOMER_WROTE, pk__lt=asked.pk).last()
        asked_with = messages.filter(pk=wrote.data["message"]).first() if wrote is not None else None
        last = asked_with or messages.last()
    else:
        last = messages.last()
    return "" if last is None else (unquoted(last.text).strip() or last.text)
