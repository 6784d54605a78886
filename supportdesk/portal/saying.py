"""What the page of points and the statement's file say of the ledger: no markup, no queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from points.currencies import said as in_words
from points.history import History, Life, Year
from points.lifetimes import credit_expires_at
from points.models import Cause, Hold, Lot, PurchaseKind
from points.queries import Story
from points.timeline import Level
from supportdesk import words
from supportdesk.people.models import Edition
from supportdesk.places import zone_info
from supportdesk.policy import POLICY

TICK = timedelta(microseconds=1)
FALLS_SAID = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sentence that may name a ticket in its middle, so that a page can link it."""

    before: str
    ticket: str = ""
    after: str = ""


def cause(story: Story, zone: str) -> Said:
    """Why a line of the statement is there."""
    lot_day = words.day(story.lot_bought_at, zone)
    match story.cause:
        case Cause.PURCHASE:
            return Said(before=_came(story))
        case Cause.CHARGE:
            # Ticket numbers stand between the two halves.
            by = {"email": _(" by e-mail, lot of %(day)s"), "phone": _(" by telephone, lot of %(day)s")}
            after = by.get(story.channel, _(", lot of %(day)s"))
            return Said(
                before=_("Incident "), ticket=story.reference, after=after % {"day": lot_day} + _refunded(story)
            )
        case Cause.CREDIT if story.reference:
            return Said(before=_("Credited: what incident "), ticket=story.reference, after=_(" cost"))
        case Cause.CREDIT:
            return Said(before=_("Credited: points of the lot of %(day)s") % {"day": lot_day})
        case Cause.EXPIRY:
            return Said(before=_("Expired: what was left of the lot of %(day)s") % {"day": lot_day})
    return Said(before=_("Written off: points of the lot of %(day)s") % {"day": lot_day})


def _refunded(story: Story) -> str:
    """What of a charge went back to the card, or nothing (D4)."""
    back = story.refund
    if back is None:
        return ""
    amount = money(back.amount_minor, story.currency)
    if back.points != story.points:  # two lots of one purchase paid it
        amount = _("part of %(amount)s") % {"amount": amount}
    if not back.card_last4:
        return _("; refunded to the card, %(amount)s") % {"amount": amount}
    return _("; refunded to the card ending %(last4)s, %(amount)s") % {"last4": back.card_last4, "amount": amount}


def _came(story: Story) -> str:
    """How points came: bought by card or invoice, or granted."""
    match story.kind:
        case PurchaseKind.GRANT:
            return _("Granted: %(reason)s") % {"reason": story.reason}
        case PurchaseKind.INVOICE:
            told = _("Invoice: %(reason)s") % {"reason": story.reason}
        case _other:
            told = _("Bought: pack of %(points)d, by card") % {"points": story.lot_points}
    price = money(story.amount_minor, story.currency)
    return f"{told}, {price}" if price else told


def money(minor: int, currency: str) -> str:
    """An amount with its currency; nothing where nothing was paid (D37)."""
    return in_words(minor, currency) if minor else ""


def worth(count: int, edition: str) -> str:
    """What points can open: "4 mails, or 1 call and 1 mail"; no calls for Community Edition (R1, R4)."""
    mail, call = POLICY.points_for("email"), POLICY.points_for("phone")
    only_mails = _mails(count // mail)
    if count < mail:
        return _("too few for a mail, which needs %(n)d") % {"n": mail}
    if edition == Edition.COMMUNITY or count < call:
        return only_mails
    calls = ngettext("%(n)d call", "%(n)d calls", count // call) % {"n": count // call}
    rest = count % call // mail
    if rest:
        calls = _("%(calls)s and %(mails)s") % {"calls": calls, "mails": _mails(rest)}
    return _("%(mails)s, or %(calls)s") % {"mails": only_mails, "calls": calls}


def _mails(count: int) -> str:
    return ngettext("%(n)d mail", "%(n)d mails", count) % {"n": count}


def through(ends: datetime, zone: str) -> str:
    """The last day, or to the minute where an end is no midnight here: "through 15 Jan 2027" (D1, D3)."""
    until = words.until(ends, zone)
    return (
        _("through %(day)s") % {"day": until} if words.is_whole_day(ends, zone) else _("until %(day)s") % {"day": until}
    )


def days_left(ends: datetime, zone: str, *, at: datetime) -> int:
    """Local days from today to the last one."""
    there = zone_info(zone)
    return ((ends - TICK).astimezone(there).date() - at.astimezone(there).date()).days


def in_days(days: int) -> str:
    """ "today", "tomorrow", "in 49 days"."""
    if days < 1:
        return _("today")
    if days == 1:
        return _("tomorrow")
    return _("in %(n)d days") % {"n": days}


def became(year: Year, zone: str) -> str:
    """What else happened to points in the twelve months, so that the figures above add up."""
    parts = []
    if year.expired and year.last_expired_at is not None:
        day = words.day(year.last_expired_at - TICK, zone)
        parts.append(_("%(n)d expired unused, last on %(day)s") % {"n": year.expired, "day": day})
    else:
        parts.append(_("none expired unused"))
    if year.credited:
        parts.append(_("%(n)d credited back") % {"n": year.credited})
    if year.taken:
        parts.append(_("%(n)d written off") % {"n": year.taken})
    return "; ".join(parts)


def on_hold(hold: Hold, *, points: int) -> str:
    """Why points cannot be spent: the payment of their purchase is disputed, or went back (D32)."""
    purchase = hold.purchase
    said = {
        Hold.Kind.CHARGEBACK: _(
            "%(points)s on hold: the payment of %(amount)s of %(day)s is disputed; they cannot be spent until we have "
            "looked at it."
        ),
        Hold.Kind.REFUND: _(
            "%(points)s on hold: the payment of %(amount)s of %(day)s went back to the card; they cannot be spent "
            "until we have looked at it."
        ),
    }[Hold.Kind(hold.kind)]
    return said % {
        "points": words.points(points),
        "amount": money(purchase.amount_minor, purchase.currency),
        "day": words.day(purchase.bought_at, purchase.zone),
    }


def today(found: History) -> str:
    """The balance beside its picture: "44 today", "44 today, 30 of them on hold"."""
    if not found.on_hold:
        return _("%(n)d today") % {"n": found.balance}
    return _("%(n)d today, %(held)d of them on hold") % {"n": found.balance, "held": found.on_hold}


def lot_state(life: Life) -> str:
    """ "4 of 30 left", "4 of 30 on hold", "10 of 30 expired", "all 30 spent"."""
    if life.state == "spent":
        return _("all %(n)d spent") % {"n": life.lot.points}
    said = _("%(n)d of %(all)d left") if life.state == "left" else _("%(n)d of %(all)d expired")
    if life.on_hold:
        said = _("%(n)d of %(all)d on hold")
    return said % {"n": life.points, "all": life.lot.points}


def lot_came(life: Life, zone: str) -> str:
    """ "bought 20 Nov 2025", "granted …", "credited …"."""
    lot = life.lot
    if lot.origin == Lot.Origin.CREDIT:
        said = _("credited %(day)s")
    else:
        said = _("granted %(day)s") if lot.purchase.kind == PurchaseKind.GRANT else _("bought %(day)s")
    return said % {"day": words.day(life.began, zone)}


def lot_end(life: Life, zone: str) -> str:
    """Through when it can be spent, could be, or was."""
    if life.state == "spent":
        return _("last on %(day)s") % {"day": words.day(life.ended, zone)}
    return through(life.ended, zone)


def credit_life(life: Life, zone: str) -> str:
    """How a credit on hand comes by its end (D3); nothing where an admin gave it a later one."""
    lot = life.lot
    if life.state != "left" or lot.from_charge is None or lot.from_lot is None:
        return ""
    spent = lot.from_charge.charged_at
    if lot.expires_at != credit_expires_at(
        lot_expires_at=lot.from_lot.expires_at, charged_at=spent, credited_at=life.began
    ):
        return ""
    days = (lot.expires_at - life.began).days
    return _(
        "The credit of %(day)s lives as long as its points had left when they were spent on %(spent)s: %(left)s."
    ) % {
        "day": words.day(life.began, zone),
        "spent": words.day(spent, zone),
        "left": ngettext("%(n)d day", "%(n)d days", days) % {"n": days},
    }


def left_out(found: History) -> str:
    """Which lots the picture has no room for."""
    parts = []
    if found.later_lots:
        parts.append(
            ngettext(
                "%(n)d more lot with points left, which expires later, is not shown.",
                "%(n)d more lots with points left, which expire later, are not shown.",
                found.later_lots,
            )
            % {"n": found.later_lots}
        )
    if found.older_lots:
        parts.append(
            ngettext(
                "%(n)d older lot, spent or expired, is not shown.",
                "%(n)d older lots, spent or expired, are not shown.",
                found.older_lots,
            )
            % {"n": found.older_lots}
        )
    return " ".join(parts)


def for_ears(past: tuple[Level, ...], future: tuple[Level, ...], *, zone: str) -> str:
    """The balance's picture in a sentence or two; its table says the rest."""
    balances = [level.balance for level in past]
    told = _("Balance: %(first)d on %(day)s, since then between %(low)d and %(high)d, %(now)d today.") % {
        "first": balances[0],
        "day": words.day(past[0].at, zone),
        "low": min(balances),
        "high": max(balances),
        "now": future[0].balance,
    }
    falls = [
        _("%(n)d after %(day)s") % {"n": level.balance, "day": words.day(level.at - TICK, zone)} for level in future[1:]
    ]
    if len(falls) > FALLS_SAID:
        falls = [*falls[: FALLS_SAID - 1], "…", falls[-1]]
    return f"{told} {_('If nothing is spent: %(falls)s.') % {'falls': ', '.join(falls)}}" if falls else told
