"""Template words of incidents: numbers in groups, the steps of a timeline, the queue's groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from incidents import numbers, queue, stories
from incidents.cases import CaseState, Choice, CreditCase
from incidents.held import BECAUSE
from incidents.models import Attachment, HeldMail, HeldReason, IncidentMail, TimelineEntry
from incidents.queue import Counts, Decisions, Group, Row, There
from incidents.showing import shown
from points.models import Lot
from sla import saying
from sla.explain import Row as DayRow
from supportdesk import words
from supportdesk.people.models import User
from supportdesk.people.scope import scope_of
from supportdesk.people.templatetags.words import read_at

register = template.Library()

NAMES = {
    "late": (gettext_lazy("Late"), gettext_lazy("answer these first")),
    "today": (gettext_lazy("Due today"), gettext_lazy("by deadline; business minutes left in the customer’s own zone")),
    "later": (gettext_lazy("Due later"), gettext_lazy("the deadline lies behind a closing time or a weekend")),
    "us": (gettext_lazy("Waiting for us"), gettext_lazy("answered before, the customer wrote again")),
    "decide": (gettext_lazy("To decide"), gettext_lazy("re-openings asked for, and words on what was declined")),
    "work": (gettext_lazy("Being worked on"), gettext_lazy("answered; the next word is ours")),
    "customer": (gettext_lazy("Waiting for the customer"), gettext_lazy("nothing to do until they write")),
}


@register.filter
def grouped(number: str) -> str:
    """A ticket number in groups; another reference as it stands."""
    return numbers.grouped(number) if numbers.is_number(number) else number


@register.simple_tag(takes_context=True)
def as_written(context: template.Context, text: str, files: Iterable[Attachment] = ()) -> SafeString:
    """What staff wrote, with its pictures, for whoever looks at the page (D31)."""
    page = "desk:file" if context["request"].scope.desk else "portal:file"
    return shown(text, files, lambda file: f"{reverse(page, args=[file.pk])}?show")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the mails of one message: in a line, and whether all is well."""

    mails: Sequence[IncidentMail]
    said: str
    well: bool


@register.filter
def delivery(mails: Sequence[IncidentMail]) -> Delivery:
    """The mails of a message, in a line that a reader need not open while all is well (D30)."""
    states = [sent.mail.state for sent in mails]
    if len(states) == 1:
        one = {
            "sent": _("mailed to %(to)s"),
            "waiting": _("on its way to %(to)s"),
            "trying": _("still on its way to %(to)s"),
            "failed": _("could not be mailed to %(to)s"),
            "bounced": _("came back from %(to)s"),
        }
        said = one[states[0]] % {"to": mails[0].mail.to_address}
    else:
        parts = {
            "sent": _("%(n)d sent"),
            "waiting": _("%(n)d on their way"),
            "trying": _("%(n)d still on their way"),
            "failed": _("%(n)d failed"),
            "bounced": _("%(n)d came back"),
        }
        counted = [words % {"n": states.count(state)} for state, words in parts.items() if state in states]
        all_sent = set(states) <= {"sent"}
        said = _("mailed to %(n)d: %(states)s") % {
            "n": len(states),
            "states": _("all sent") if all_sent else ", ".join(counted),
        }
    return Delivery(mails, said, well=set(states) <= {"sent", "waiting"})


# By the subject and detail of RFC 3463: what to tell somebody who is about to write, or to call.
WHY_BOUNCED = {
    "1.1": gettext_lazy("no such address"),
    "1.10": gettext_lazy("no such address"),
    "1.2": gettext_lazy("no such domain"),
    "2.1": gettext_lazy("the mailbox is switched off"),
    "2.2": gettext_lazy("the mailbox is full"),
    "4.1": gettext_lazy("their server does not answer"),
    "4.4": gettext_lazy("no such domain"),
    "4.7": gettext_lazy("not delivered for days"),
}


@register.filter
def why_bounced(bounce: str) -> str:
    """Why mails come back in a few words, or as the server said it (D28)."""
    status = bounce.partition(" ")[0]
    return str(WHY_BOUNCED.get(status.partition(".")[2], bounce))


@register.filter
def say(step: TimelineEntry, zone: str = "") -> str:
    return stories.say(step, zone)


@register.filter
def tone(step: TimelineEntry) -> str:
    return stories.tone(step)


@register.simple_tag(takes_context=True)
def row_line(context: template.Context, row: DayRow) -> str:
    """A day, or a run of them, of a deadline on one line, for mails (D24)."""
    return saying.line(row, at=read_at(context))


@register.simple_tag(takes_context=True)
def row_days(context: template.Context, row: DayRow) -> SafeString:
    """Which days a row of a deadline is of; a day is not broken over two lines (D24)."""
    days = saying.days_of(row, at=read_at(context))
    # The dash stays with the day before it.
    held = [f"{day}{saying.between(row).rstrip()}" for day in days[:-1]]
    return format_html_join(" ", '<span class="nowrap">{}</span>', ((day,) for day in [*held, days[-1]]))


@register.filter
def row_reason(row: DayRow) -> str:
    """What became of the days of a row (D24)."""
    return saying.reason(row)


@register.simple_tag(takes_context=True)
def due_words(context: template.Context, row: Row, reader: User) -> str:
    """What is left and when an answer is due, for the customer first, then for the reader (D21, D24)."""
    customer = row.incident.customer
    at = read_at(context)
    due = {
        "there": words.day_and_time(row.due_at, customer.zone, at=at),
        "place": customer.place_name,
        "here": words.day_and_time(row.due_at, reader.zone, at=at),
    }
    if row.hand is not None and row.hand.tone == "breached":
        return _("late since %(there)s in %(place)s, %(here)s for you") % due
    minutes = int(row.hand.left.total_seconds() // 60) if row.hand else 0
    said = ngettext(
        "%(n)d business minute left, due %(there)s in %(place)s, %(here)s for you",
        "%(n)d business minutes left, due %(there)s in %(place)s, %(here)s for you",
        minutes,
    )
    return said % (due | {"n": minutes})


@register.simple_tag(takes_context=True)
def there_words(context: template.Context, there: There, reader: User) -> str:
    """When a customer's hours begin, in their time first, then in the reader's, and what is closed till then (D24)."""
    if there.opens_at is None:
        return _("open now in %(place)s") % {"place": there.place}
    said = _("opens in %(length)s: %(there)s in %(place)s, %(here)s for you") % {
        "length": opens_in(context, there),
        "there": words.day_and_time(there.opens_at, there.zone, at=read_at(context)),
        "place": there.place,
        "here": words.day_and_time(there.opens_at, reader.zone, at=read_at(context)),
    }
    if not there.skipped:
        return said
    return _("%(said)s; closed: %(names)s") % {"said": said, "names": ", ".join(there.skipped)}


@register.simple_tag(takes_context=True)
def opens_in(context: template.Context, there: There) -> str:
    """How long until a customer's hours begin: "2 h"; nothing where they have."""
    return words.ago(read_at(context), at=there.opens_at) if there.opens_at else ""


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
        return _("no answer, so points")
    if case.choice:
        return _("customer prefers the card") if case.choice == Choice.CARD else _("customer prefers points")
    return _("customer asked") if case.state == CaseState.ASKED else _("customer not asked yet")


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


@register.filter
def held_because(held: HeldMail) -> str:
    """Why a mail is held, and what to do about it, in a sentence (D26)."""
    return str(BECAUSE[HeldReason(held.reason)])
