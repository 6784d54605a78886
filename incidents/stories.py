"""The steps of a timeline in words, for the reader they are shown to (D10)."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from incidents.models import TimelineCode, TimelineEntry

STATUS_WORDS = {
    "new": lambda: _("new"),
    "open": lambda: _("open"),
    "waiting": lambda: _("waiting for the customer"),
    "closed": lambda: _("closed"),
    "declined": lambda: _("declined"),
}
TONES = {
    TimelineCode.WARNED: "soon",
    TimelineCode.BREACHED: "breached",
    TimelineCode.CLOSED: "calm",
    TimelineCode.REOPENED: "calm",
    TimelineCode.REOPEN_ASKED: "waiting",
    TimelineCode.BUG_MARKED: "points",
    TimelineCode.BUG_CREDITED: "points",
    TimelineCode.BUG_REFUNDED: "points",
    TimelineCode.REFUND_FAILED: "soon",
}


def tone(step: TimelineEntry) -> str:
    """The colour with a meaning that belongs to a step, or none."""
    return TONES.get(TimelineCode(step.code), "")


def say(step: TimelineEntry) -> str:
    """One sentence: who did what."""
    who = step.user or step.contact or _("The desk")
    match step.code:
        case TimelineCode.NUMBER_MAILED:
            return _("Ticket number mailed")
        case TimelineCode.TAKEN:
            return _("%(who)s took it") % {"who": who}
        case TimelineCode.HANDED_OVER:
            return _("%(who)s handed it over") % {"who": who}
        case TimelineCode.STATUS:
            status = STATUS_WORDS[step.data["to"]]()
            return _("%(who)s: now %(status)s") % {"who": who, "status": status}
        case TimelineCode.CLOSED:
            return _("%(who)s closed it") % {"who": who}
        case TimelineCode.REOPEN_ASKED:
            return _("%(who)s asked to re-open it") % {"who": who}
        case TimelineCode.REOPENED:
            return _("%(who)s re-opened it at no charge, with a fresh deadline") % {"who": who}
        case TimelineCode.REOPEN_REFUSED:
            return _("%(who)s decided that this is a different problem") % {"who": who}
        case TimelineCode.BUG_MARKED:
            return _("%(who)s marked it as a bug of ours") % {"who": who}
        case TimelineCode.BUG_ASKED:
            return _("The customer was asked how to give the charge back")
        case TimelineCode.BUG_CHOSEN:
            words = {"points": _("%(who)s wants the points back"), "card": _("%(who)s wants a refund to the card")}
            return words[step.data["choice"]] % {"who": who}
        case TimelineCode.BUG_SILENCE:
            return _("No answer within %(n)d days: points") % {"n": step.data["days"]}
        case TimelineCode.BUG_CREDITED:
            back = ngettext("%(who)s gave back %(n)d point", "%(who)s gave back %(n)d points", step.data["points"])
            return back % {"who": who, "n": step.data["points"]}
        case TimelineCode.BUG_REFUNDED:
            return _("%(who)s refunded the card") % {"who": who}
        case TimelineCode.REFUND_DONE:
            return _("The refund was paid back to the card")
        case TimelineCode.REFUND_FAILED:
            said = ngettext(
                "The card did not take the refund: %(n)d point came back instead",
                "The card did not take the refund: %(n)d points came back instead",
                step.data["points"],
            )
            return said % {"n": step.data["points"]}
        case TimelineCode.BUG_REFUSED:
            return _("%(who)s refused the credit") % {"who": who}
        case TimelineCode.WARNED:
            minutes = step.data["minutes"]
            return ngettext("Warning: %(n)d business minute left", "Warning: %(n)d business minutes left", minutes) % {
                "n": minutes
            }
        case TimelineCode.BREACHED:
            return _("Late: the deadline passed without an answer")
    return step.get_code_display()
