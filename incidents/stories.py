"""The steps of a timeline in words, for the reader they are shown to (D10)."""

from __future__ import annotations

from datetime import datetime

from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from incidents.models import Disposition, Proposal, TimelineCode, TimelineEntry
from incidents.numbers import grouped
from incidents.turning import turn_of
from supportdesk import words
from supportdesk.places import city_of

STATUS_WORDS = {
    "new": lambda: _("new"),
    "open": lambda: _("open"),
    "waiting": lambda: _("waiting for the customer"),
    "closed": lambda: _("closed"),
    "declined": lambda: _("declined"),
}
WHY_WORDS = {
    "calendar": lambda: _("the calendar changed"),
    "place": lambda: _("the customer’s place changed"),
}
TONES = {
    TimelineCode.WARNED: "soon",
    TimelineCode.BREACHED: "breached",
    TimelineCode.MAIL_BOUNCED: "soon",
    TimelineCode.CLOSED: "calm",
    TimelineCode.REOPENED: "calm",
    TimelineCode.REOPEN_ASKED: "waiting",
    TimelineCode.BUG_MARKED: "points",
    TimelineCode.BUG_CREDITED: "points",
    TimelineCode.BUG_REFUNDED: "points",
    TimelineCode.REFUND_FAILED: "soon",
    TimelineCode.CUSTOMER_CLOSED: "calm",
    TimelineCode.CLOSED_SILENCE: "calm",
    TimelineCode.REMINDED: "waiting",
    TimelineCode.DECLINED: "waiting",
    TimelineCode.TAKEN_BACK: "act",
    TimelineCode.SPLIT_PROPOSED: "waiting",
}


def tone(step: TimelineEntry) -> str:
    """The colour with a meaning that belongs to a step, or none."""
    return TONES.get(TimelineCode(step.code), "")


def say(step: TimelineEntry, zone: str = "") -> str:
    """One sentence: who did what. Times are the customer's, and those of the reader in ``zone`` beside them (D21)."""
    who = step.user or step.contact or _("The desk")
    match step.code:
        case TimelineCode.NUMBER_MAILED:
            return _("Ticket number mailed")
        case TimelineCode.TAKEN:
            return _("%(who)s took it") % {"who": who}
        case TimelineCode.HANDED_OVER:
            return _("%(who)s handed it over") % {"who": who}
        case TimelineCode.CALLED:
            called = {"out": _("%(who)s called %(contact)s"), "in": _("%(contact)s called %(who)s")}
            return called[step.data["direction"]] % {"who": who, "contact": step.contact}
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
            wants = {"points": _("%(who)s wants the points back"), "card": _("%(who)s wants a refund to the card")}
            return wants[step.data["choice"]] % {"who": who}
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
        case TimelineCode.MERGED:
            back = _("%(who)s merged it into another incident, and its points came back")
            return (back if step.data["points"] else _("%(who)s merged it into another incident")) % {"who": who}
        case TimelineCode.MERGED_IN:
            return _("%(who)s merged %(number)s into it") % {"who": who, "number": grouped(step.data["number"])}
        case TimelineCode.UNMERGED:
            number = grouped(step.data["number"])
            return _("%(who)s parted it from %(number)s again") % {"who": who, "number": number}
        case TimelineCode.UNMERGED_FROM:
            return _("%(who)s parted %(number)s from it again") % {"who": who, "number": grouped(step.data["number"])}
        case TimelineCode.DISPOSED:
            what = Disposition(step.data["to"]).label
            return _("%(who)s: the feature request is now %(what)s") % {"who": who, "what": what}
        case TimelineCode.SPLIT_PROPOSED if step.data.get("kind") == Proposal.Kind.UNMERGE:
            points = words.points(step.data["points"])
            return _("%(who)s proposed to part it again: it waits for %(points)s") % {"who": who, "points": points}
        case TimelineCode.SPLIT_PROPOSED:
            said = ngettext(
                "%(who)s proposed to split off %(n)d problem: it waits for %(points)s",
                "%(who)s proposed to split off %(n)d problems: they wait for %(points)s",
                step.data["count"],
            )
            return said % {"who": who, "n": step.data["count"], "points": words.points(step.data["points"])}
        case TimelineCode.SPLIT:
            return _split(step, who)
        case TimelineCode.SPLIT_OFF:
            return _("%(who)s split it off %(number)s") % {"who": who, "number": grouped(step.data["number"])}
        case TimelineCode.SPLIT_WITHDRAWN:
            return _withdrawn(step, who)
        case TimelineCode.SPLIT_LAPSED if step.data.get("kind") == Proposal.Kind.UNMERGE:
            return _("Nobody paid for parting it: it stays merged")
        case TimelineCode.SPLIT_LAPSED:
            return _("Nobody paid for the proposed split: it stays whole")
        case TimelineCode.REPORTED_ANEW if "from" in step.data:
            return _("%(who)s reported it anew, after a closed incident") % {"who": who}
        case TimelineCode.REPORTED_ANEW:
            return _("%(who)s made a new report of it") % {"who": who}
        case TimelineCode.WARNED:
            minutes = step.data["minutes"]
            return ngettext("Warning: %(n)d business minute left", "Warning: %(n)d business minutes left", minutes) % {
                "n": minutes
            }
        case TimelineCode.BREACHED:
            return _("Late: the deadline passed without an answer")
        case TimelineCode.MAIL_BOUNCED:
            return _("A mail to %(whom)s came back") % {"whom": getattr(step, "whom", None) or _("a contact")}
        case TimelineCode.FOLLOWER_ADDED | TimelineCode.FOLLOWER_REMOVED:
            return _followed(step, str(who))
        case TimelineCode.DEADLINE_MOVED:
            return _moved(step, zone)
        case TimelineCode.CUSTOMER_CLOSED:
            return _("%(who)s closed it: no more help is needed") % {"who": who}
        case TimelineCode.REMINDED:
            return _("No word for %(n)d business days: the customer was reminded") % {"n": step.data["days"]}
        case TimelineCode.CLOSED_SILENCE:
            return _("No word for %(n)d business days: closed") % {"n": step.data["days"]}
        case TimelineCode.DECLINED:
            return _declined(step, who)
        case TimelineCode.TAKEN_BACK:
            return _taken_back(step, who)
    return step.get_code_display()


def _declined(step: TimelineEntry, who: object) -> str:
    """As what it was declined, and what came back for it (D15)."""
    told = {"who": who, "reason": turn_of(step.data["reason"]).name, "n": step.data["back"]}
    if not step.data["back"]:
        return _("%(who)s declined it: %(reason)s") % told
    said = ngettext(
        "%(who)s declined it and gave back %(n)d point: %(reason)s",
        "%(who)s declined it and gave back %(n)d points: %(reason)s",
        step.data["back"],
    )
    return said % told


def _taken_back(step: TimelineEntry, who: object) -> str:
    """Which end was a mistake, and what is spent again (D36)."""
    told = {"who": who, "n": step.data["points"]}
    if step.data["ended"] != TimelineCode.DECLINED:
        return _("%(who)s took the closure back: it was a mistake") % told
    if not step.data["points"]:
        return _("%(who)s took the decline back: it was a mistake") % told
    said = ngettext(
        "%(who)s took the decline back: it was a mistake, and %(n)d point is spent again",
        "%(who)s took the decline back: it was a mistake, and %(n)d points are spent again",
        step.data["points"],
    )
    return said % told


def _split(step: TimelineEntry, who: object) -> str:
    """Who divided it, and which ticket numbers came of it (D14); how many, where the reader sees none of them (D21)."""
    if not step.data["numbers"]:
        n = len(step.data["parts"])
        said = ngettext(
            "%(who)s split it: %(n)d problem is an incident of its own",
            "%(who)s split it: %(n)d problems are incidents of their own",
            n,
        )
        return said % {"who": who, "n": n}
    numbers = get_text_list([grouped(number) for number in step.data["numbers"]], _("and"))
    n = len(step.data["numbers"])
    if step.contact is not None:
        said = ngettext(
            "%(who)s accepted the split: %(numbers)s is an incident of its own",
            "%(who)s accepted the split: %(numbers)s are incidents of their own",
            n,
        )
    else:
        said = ngettext(
            "%(who)s split it: %(numbers)s is an incident of its own",
            "%(who)s split it: %(numbers)s are incidents of their own",
            n,
        )
    return said % {"who": who, "numbers": numbers}


def _withdrawn(step: TimelineEntry, who: object) -> str:
    """Who left it whole, or merged; nobody where it ended before there were points (D14, D35)."""
    if step.data.get("kind") == Proposal.Kind.UNMERGE:
        return _("%(who)s leaves it merged") % {"who": who}
    if step.contact is not None:
        return _("%(who)s leaves it whole") % {"who": who}
    if step.user is not None:
        return _("%(who)s withdrew the proposed split") % {"who": who}
    return _("The proposed split is withdrawn, for the incident has ended")


def _followed(step: TimelineEntry, who: str) -> str:
    """Who follows it from then on, or no longer, by whose act (D38)."""
    told = {"who": who, "whom": getattr(step, "whom", None) or _("a contact")}
    added = step.code == TimelineCode.FOLLOWER_ADDED
    if step.contact_id is not None and step.contact_id == step.data["follower"]:
        return (_("%(who)s follows it") if added else _("%(who)s stopped following it")) % told
    said = _("%(who)s added %(whom)s: they follow it") if added else _("%(who)s took %(whom)s off its followers")
    return said % told


def _moved(step: TimelineEntry, zone: str) -> str:
    """From when to when a deadline moved, and why (D23)."""
    customer = step.incident.customer
    # The zone of then: a customer that moved since was promised nothing in the new one.
    zone_then = step.data.get("zone") or customer.zone
    place = customer.place_name if zone_then == customer.zone else city_of(zone_then)
    old, new = (datetime.fromisoformat(step.data[name]) for name in ("old", "new"))
    told = {
        "old": words.day_and_time(old, zone_then, at=step.at),
        "new": words.day_and_time(new, zone_then, at=step.at),
        "place": place,
        "why": WHY_WORDS[step.data["why"]](),
    }
    here = (
        {"here_old": words.day_and_time(old, zone, at=step.at), "here_new": words.day_and_time(new, zone, at=step.at)}
        if zone
        else {}
    )
    if not here or (here["here_old"], here["here_new"]) == (told["old"], told["new"]):
        return _("The deadline moved from %(old)s to %(new)s in %(place)s: %(why)s") % told
    said = _(
        "The deadline moved from %(old)s to %(new)s in %(place)s (from %(here_old)s to %(here_new)s for you): %(why)s"
    )
    return said % (told | here)
