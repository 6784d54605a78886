"""Template words of incidents: numbers in groups, the steps of a timeline, the queue's groups."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.translation import gettext_lazy as _

from incidents import numbers, queue, stories
from incidents.cases import CaseState, Choice, CreditCase
from incidents.models import TimelineEntry
from incidents.queue import Counts, Decisions, Group, Row
from points.models import Lot
from supportdesk import words
from supportdesk.people.models import User
from supportdesk.people.scope import scope_of

register = template.Library()

NAMES = {
    "late": (_("Late"), _("answer these first")),
    "today": (_("Due today"), _("by deadline; business minutes left in the customer’s own zone")),
    "later": (_("Due later"), _("the deadline lies behind a closing time or a weekend")),
    "us": (_("Waiting for us"), _("answered before, the customer wrote again")),
    "decide": (_("To decide"), _("re-openings asked for")),
    "work": (_("Being worked on"), _("answered; the next word is ours")),
    "customer": (_("Waiting for the customer"), _("nothing to do until they write")),
}


@register.filter
def grouped(number: str) -> str:
    """A ticket number in groups; another reference as it stands."""
    return numbers.grouped(number) if numbers.is_number(number) else number


@register.filter
def say(step: TimelineEntry, zone: str = "") -> str:
    return stories.say(step, zone)


@register.filter
def tone(step: TimelineEntry) -> str:
    return stories.tone(step)


@register.simple_tag
def due_words(row: Row, reader: User) -> str:
    """When an answer is due, for the customer first, then for the reader (D21)."""
    customer = row.incident.customer
    return _("due %(there)s in %(place)s, %(here)s for you") % {
        "there": words.day_and_time(row.due_at, customer.zone),
        "place": customer.place_name,
        "here": words.day_and_time(row.due_at, reader.zone),
    }


@register.filter
def group_name(group: Group) -> str:
    return str(NAMES[group.code][0])


@register.filter
def group_hint(group: Group) -> str:
    return str(NAMES[group.code][1])


@register.filter
def case_words(case: CreditCase) -> str:
    """Where a product failure stands, for the desk (D17)."""
    if case.outcome:
        return case.get_outcome_display()
    if case.choice and case.chosen_by_id is None:
        return str(_("no answer, so points"))
    if case.choice:
        return str(_("customer prefers the card") if case.choice == Choice.CARD else _("customer prefers points"))
    return str(_("customer asked") if case.state == CaseState.ASKED else _("customer not asked yet"))


@register.filter
def bought_day(lot: Lot, zone: str) -> str:
    """The customer's local day on which a lot was bought."""
    return words.day(lot.bought_at, zone)


@register.simple_tag(takes_context=True)
def desk_counts(context: template.Context) -> Counts:
    """The counts beside the views: the page's own, or asked for where it has none (admin pages of other rooms)."""
    known: Any = context.get("counts")
    request = context["request"]
    return known if isinstance(known, Counts) else queue.counts(request.scope, at=request.at)


@register.simple_tag(takes_context=True)
def to_decide(context: template.Context) -> Decisions:
    """What waits for the admin who looks."""
    return queue.decisions(scope_of(context["request"].user))
