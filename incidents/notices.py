"""What staff are told of: who hears it, how it reaches them unless they chose otherwise, and its words (D39)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from incidents.models import Incident, NoticeCode, NoticeSetting
from supportdesk.people.models import User
from supportdesk.rows import fetch


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How somebody is told: on the page, by mail, or both."""

    on_page: bool
    by_mail: bool


PAGE: Final = Way(on_page=True, by_mail=False)
BOTH: Final = Way(on_page=True, by_mail=True)
DEFAULTS: Final[Mapping[NoticeCode, Way]] = {
    NoticeCode.ASSIGNED: BOTH,
    NoticeCode.CUSTOMER_WROTE: BOTH,
    NoticeCode.WARNED: BOTH,
    NoticeCode.BREACHED: BOTH,
    NoticeCode.REOPEN_ASKED: PAGE,
    NoticeCode.SPLIT_ACCEPTED: BOTH,
    NoticeCode.BUG_DETERMINED: BOTH,
    NoticeCode.BOUNCE: PAGE,
    NoticeCode.MAIL_HELD: PAGE,
    NoticeCode.OUTBOX_FAILED: BOTH,
}
ADMINS_ONLY: Final = frozenset({NoticeCode.OUTBOX_FAILED})
# Of these one unread notice stands for all that follow: a hundred held mails are one thing to look at.
GATHERED: Final = frozenset({NoticeCode.MAIL_HELD, NoticeCode.OUTBOX_FAILED})
# A mail about these says how many wait, once an hour at most.
DIGESTED: Final = frozenset({NoticeCode.MAIL_HELD})

WORDS: Final[Mapping[NoticeCode, Promise]] = {
    NoticeCode.ASSIGNED: gettext_lazy("Handed over to you"),
    NoticeCode.CUSTOMER_WROTE: gettext_lazy("The customer wrote"),
    NoticeCode.BREACHED: gettext_lazy("Late: the deadline passed without an answer"),
    NoticeCode.REOPEN_ASKED: gettext_lazy("A re-opening is to be decided"),
    NoticeCode.SPLIT_ACCEPTED: gettext_lazy("The customer accepted the split"),
    NoticeCode.BOUNCE: gettext_lazy("A mail to the customer came back"),
    NoticeCode.MAIL_HELD: gettext_lazy("Mail is held: it belongs nowhere for sure"),
    NoticeCode.OUTBOX_FAILED: gettext_lazy("Mail could not be sent"),
}
BUG_WORDS: Final[Mapping[str, Promise]] = {
    "credited": gettext_lazy("The bug was determined: points are back"),
    "refunded": gettext_lazy("The bug was determined: the card is refunded"),
    "refused": gettext_lazy("The bug was determined: no credit"),
}


def say(code: str, data: Mapping[str, object]) -> str:
    """A notice in one line, without a name or a word of a customer's: those stand in the incident (D34)."""
    match NoticeCode(code):
        case NoticeCode.WARNED:
            minutes = int(str(data["minutes"]))
            said = ngettext("At most %(n)d business minute is left", "At most %(n)d business minutes are left", minutes)
            return said % {"n": minutes}
        case NoticeCode.MAIL_HELD if "waiting" in data:
            waiting = int(str(data["waiting"]))
            said = ngettext("%(n)d mail is held: it belongs nowhere for sure", "%(n)d mails are held", waiting)
            return said % {"n": waiting}
        case NoticeCode.BUG_DETERMINED:
            return str(BUG_WORDS.get(str(data.get("outcome")), _("The bug was determined")))
        case NoticeCode.BOUNCE if "contact" in data:
            return _("A mail to a contact came back: their address is marked")
        case NoticeCode.OUTBOX_FAILED if "door" in data:
            words = (
                _("A way of mail works again: %(door)s") if data.get("works") else _("A way of mail fails: %(door)s")
            )
            return words % {"door": data["door"]}
        case known:
            return str(WORDS[known])


def codes_for(user: User) -> list[NoticeCode]:
    """What somebody may be told of: some things are the admins' alone."""
    return [code for code in NoticeCode if user.is_staff or code not in ADMINS_ONLY]


def everyone() -> list[User]:
    """All technicians; a desk without technicians is worked by its admins."""
    staff = list(User.objects.filter(is_active=True).filter(Q(is_technician=True) | Q(is_staff=True)).order_by("pk"))
    return [user for user in staff if user.is_technician] or staff


def admins() -> list[User]:
    """All admins."""
    return list(User.objects.filter(is_active=True, is_staff=True).order_by("pk"))


def owner_or_everyone(owner: User | None) -> list[User]:
    """The owner who still works here, or everyone (D13)."""
    return [owner] if owner is not None and owner.works_here else everyone()


def owner_alone(owner: User | None) -> list[User]:
    """The owner; everyone where the owner has left and nobody else would look; nobody where there is none."""
    return [] if owner is None else owner_or_everyone(owner)


_CHOSEN: Final = """
    SELECT user_id, on_page, by_mail FROM incidents_noticesetting WHERE user_id = ANY(%(users)s) AND code = %(code)s
"""


def ways(users: Collection[User], code: NoticeCode) -> dict[int, Way]:
    """How each of them is told of it, in one query (D39)."""
    chosen = fetch(_CHOSEN, {"users": [user.pk for user in users], "code": code.value})
    own = {pk: Way(on_page=on_page, by_mail=by_mail) for pk, on_page, by_mail in chosen}
    return {user.pk: own.get(user.pk, DEFAULTS[code]) for user in users}


def ways_of(user: User) -> dict[NoticeCode, Way]:
    """How somebody is told of each thing, in one query."""
    own = {one.code: Way(on_page=one.on_page, by_mail=one.by_mail) for one in NoticeSetting.objects.filter(user=user)}
    return {code: own.get(code, DEFAULTS[code]) for code in NoticeCode}


def place_of(code: str, incident: Incident | None) -> tuple[str, tuple[str, ...]]:
    """Where a notice leads: the name of the address, and what it takes."""
    if code == NoticeCode.MAIL_HELD:
        return "desk:held", ()
    if code == NoticeCode.BOUNCE and incident is None:
        return "admin:people_contact_changelist", ()
    if code == NoticeCode.OUTBOX_FAILED:
        return "admin:mail_maildoor_changelist", ()
    return ("desk:queue", ()) if incident is None else ("desk:incident", (incident.number,))
