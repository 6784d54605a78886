"""Held mail as technicians read it: who, why, what it says, what it seems to mean (D26).

The list asks as much for one row as for fifty, and goes on from the last row of the page before, so that it is as
fast among a hundred thousand.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Left, Lower
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from incidents.access import every_held_for, held_for, incidents_for, settled_for
from incidents.models import HeldMail, HeldReason, Incident, Settled
from incidents.numbers import numbers_in
from incidents.queries import named_instead
from incidents.statuses import Status
from incidents.windows import may_reopen
from supportdesk.mail.incoming import read
from supportdesk.mail.parse import ParsedMail
from supportdesk.mail.quotes import Piece, fold, unquoted
from supportdesk.people.access import contacts_by_email, contacts_for
from supportdesk.people.finding import Folded
from supportdesk.people.finding import fold as without_marks
from supportdesk.people.models import Contact
from supportdesk.people.scope import Scope
from supportdesk.policy import POLICY

ROWS: Final = 50
COUNTED: Final = 1_000  # more of a filter than that is "more than"
FITTING: Final = 5_000  # mails that fit some words, as far as they are named one by one
FIRST_CHARS: Final = 600
WORDS_MAX: Final = 6
TEXT_MAX: Final = 100
COLLEAGUES: Final = 50
NAMED: Final = 10  # incidents whose numbers a mail has
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Why, and what to do about it.
BECAUSE: Final[Mapping[HeldReason, Promise]] = {
    HeldReason.UNKNOWN_SENDER: gettext_lazy(
        "No contact writes from this address. If you know who it is, say whose address it is; then it is decided again."
    ),
    HeldReason.NOT_THEIRS: gettext_lazy(
        "The sender is a contact, but may not see the incident that it names. Look twice before you attach it there."
    ),
    HeldReason.NO_INCIDENT: gettext_lazy("It names no incident. Attach it to one, or make a draft of it."),
    HeldReason.BODY_NUMBER: gettext_lazy(
        "The ticket number stands in the text alone, where anybody may have written it. If it means that incident, "
        "attach it."
    ),
    HeldReason.TWO_INCIDENTS: gettext_lazy("It names two different incidents. Attach it to the one that it is about."),
    HeldReason.STAFF: gettext_lazy(
        "It comes from one of us. Staff answer on the desk: copy what matters into an answer or a note, and discard it."
    ),
    HeldReason.DMARC: gettext_lazy(
        "Our mail server says that the sender is forged. Ask the contact in another way, by phone for one, before you "
        "believe it."
    ),
    HeldReason.SEVERAL_SENDERS: gettext_lazy(
        "It has no sender, or several, so nobody vouches for it. Attach it if you can see from whom it is."
    ),
    HeldReason.NO_TEXT: gettext_lazy("It has no text of its own. If its files matter, attach it to their incident."),
    HeldReason.UNREADABLE: gettext_lazy(
        "It could not be read for sure, so it may say more, or something else, than stands here. Look at the original "
        "before you decide."
    ),
    HeldReason.AUTOMATIC: gettext_lazy(
        "A machine sent it, and it belongs to no incident for sure. Mostly it can be discarded."
    ),
    HeldReason.TOO_LONG: gettext_lazy(
        "Its text is longer than a message may be. Attached, the message has its beginning; the original stays stored."
    ),
    HeldReason.TOO_BIG: gettext_lazy(
        "It is larger than the desk takes, so only its beginning came in. Ask the sender to upload the files instead."
    ),
    HeldReason.ENCRYPTED: gettext_lazy(
        "It is encrypted, and the desk has no key. Ask the sender to write it in the clear, or in the portal."
    ),
    HeldReason.TOO_MANY: gettext_lazy(
        "Its sender wrote more mails without an incident than become drafts by themselves. Make a draft of it, or "
        "discard it."
    ),
    HeldReason.BLOCKED: gettext_lazy(
        "Its sender was blocked when it came. If that was a mistake, unblock them; then it is decided again."
    ),
}
Effect = Literal["added", "request", "too_late", "automatic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which held mails: those to settle, oldest first, or the settled ones, latest first; by reason or end; by words.

    ``after`` is where the page before ended.
    """

    settled: bool = False
    kind: str = ""
    words: str = ""
    after: str = ""

    @property
    def is_filtered(self) -> bool:
        return bool(self.kind or self.words)


def wanted(given: dict[str, str]) -> Wanted:
    """What an address asks for; of what it says wrongly nothing is kept."""
    settled = given.get("view") == "settled"
    kind = given.get("kind", "")
    words = " ".join(unicodedata.normalize("NFC", given.get("q", "").replace("\x00", " ")).split())[:TEXT_MAX]
    known = Settled.values if settled else HeldReason.values
    return Wanted(settled=settled, kind=kind if kind in known else "", words=words, after=given.get("after", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the list."""

    held: HeldMail
    first_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One page; ``count`` of all, as far as they were counted; ``next`` is where the next page begins, if there is."""

    rows: tuple[Row, ...]
    count: int
    counted: bool
    next: str


def listed(scope: Scope, asked: Wanted) -> Listed:
    """A page of the list, in three queries at most; without a filter nothing is counted."""
    mails = _filtered(scope, asked)
    count = mails.order_by().values("pk")[: COUNTED + 1].count() if asked.is_filtered else 0
    since = "settled_at" if asked.settled else "held_at"
    cursor = _read_cursor(asked.after)
    if cursor is not None:
        at, pk = cursor
        beyond = "lt" if asked.settled else "gt"
        # The first condition alone is what an index is entered by.
        mails = mails.filter(**{f"{since}__{beyond}e": at}).filter(
            Q(**{f"{since}__{beyond}": at}) | Q(**{f"pk__{beyond}": pk})
        )
    sign = "-" if asked.settled else ""
    mails = mails.select_related("incident", "attached_to", "settled_by", "draft__contact").defer("text", "draft__text")
    found = list(mails.annotate(first=Left("text", FIRST_CHARS)).order_by(f"{sign}{since}", f"{sign}pk")[: ROWS + 1])
    shown = found[:ROWS]
    return Listed(
        rows=tuple(Row(held=held, first_words=_first_words(held.first)) for held in shown),
        count=min(count, COUNTED),
        counted=count <= COUNTED,
        next=_cursor(getattr(shown[-1], since), shown[-1].pk) if len(found) > ROWS else "",
    )


def _filtered(scope: Scope, asked: Wanted) -> QuerySet[HeldMail]:
    mails = settled_for(scope) if asked.settled else held_for(scope)
    if asked.kind:
        mails = mails.filter(**{"settled_as" if asked.settled else "reason": asked.kind})
    if not asked.words:
        return mails
    fitting = HeldMail.objects.alias(who=Folded("sender"), about=Folded("subject")).order_by()
    for word in asked.words.split()[:WORDS_MAX]:
        said = without_marks(word)
        fitting = fitting.filter(Q(who__contains=said) | Q(about__contains=said))
    # A question to the index of the words alone; a walk in the order of the list would look into every mail.
    ids = list(fitting.values_list("pk", flat=True)[: FITTING + 1])
    if len(ids) <= FITTING:
        return mails.filter(pk__in=ids)
    # What fits that many is met soon on such a walk.
    return mails.filter(pk__in=fitting.values("pk"))


def _cursor(at: datetime, pk: int) -> str:
    return f"{(at - EPOCH) // timedelta(microseconds=1)}-{pk}"


def _read_cursor(text: str) -> tuple[datetime, int] | None:
    at, _dash, pk = text.partition("-")
    if not (at.isascii() and at.isdigit() and pk.isascii() and pk.isdigit() and len(at) <= 17 and len(pk) <= 18):
        return None
    return EPOCH + timedelta(microseconds=int(at)), int(pk)


def _first_words(text: str) -> str:
    """What the mail says first, without what it quotes."""
    return " ".join((unquoted(text).strip() or text).split())[:200]


def neighbours(scope: Scope, held: HeldMail) -> tuple[int | None, int | None]:
    """The mails before and after one among those that wait, in the order of the list."""
    waiting = held_for(scope)
    older = Q(held_at=held.held_at, pk__lt=held.pk) | Q(held_at__lt=held.held_at)
    newer = Q(held_at=held.held_at, pk__gt=held.pk) | Q(held_at__gt=held.held_at)
    before = waiting.filter(older, held_at__lte=held.held_at).order_by("-held_at", "-pk")
    after = waiting.filter(newer, held_at__gte=held.held_at).order_by("held_at", "pk")
    return before.values_list("pk", flat=True).first(), after.values_list("pk", flat=True).first()


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a mail that is nobody's message yet."""

    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """Held mails of the sender before this one: they stand in two lists."""

    waiting: int = 0
    settled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A held mail with all that helps to decide."""

    held: HeldMail
    mail: ParsedMail
    pieces: tuple[Piece, ...]
    files: tuple[File, ...]
    senders: tuple[Contact, ...]  # contacts who write from its address
    named: tuple[Incident, ...]  # whose numbers it has, besides the one that it seems to mean
    earlier: Earlier
    before: int | None
    after: int | None

    @property
    def is_open(self) -> bool:
        return self.held.settled_at is None


def opened(scope: Scope, held: HeldMail) -> Opened:
    """Reads the mail's source once more: what stands in the list is only its beginning (D29)."""
    mail = read(held.raw_mail)
    sender = held.sender.lower()
    before, after = neighbours(scope, held)
    return Opened(
        held=held,
        mail=mail,
        pieces=fold(mail.text or held.text, answers=bool(mail.in_reply_to or mail.references)),
        files=tuple(File(name=one.name, size=len(one.payload)) for one in mail.attachments),
        senders=tuple(contacts_by_email(held.sender).order_by("customer__name", "pk")) if sender else (),
        named=_named(scope, held, mail),
        earlier=_earlier(scope, held, sender) if sender else Earlier(),
        before=before,
        after=after,
    )


def _earlier(scope: Scope, held: HeldMail, sender: str) -> Earlier:
    theirs = every_held_for(scope).alias(low=Lower("sender")).filter(low=sender, pk__lt=held.pk)
    waiting = Count("pk", filter=Q(settled_at=None))
    return Earlier(**theirs.aggregate(waiting=waiting, settled=Count("pk", filter=Q(settled_at__isnull=False))))


def _named(scope: Scope, held: HeldMail, mail: ParsedMail) -> tuple[Incident, ...]:
    numbers = [*numbers_in(mail.subject)[:NAMED], *numbers_in(mail.text[: POLICY.text_max])[:NAMED]]
    if not numbers:
        return ()
    found = incidents_for(scope).filter(number__in=numbers).exclude(pk=held.incident_id or 0).select_related("customer")
    return tuple(found.order_by("number")[:NAMED])


@dataclass(frozen=True, slots=True, kw_only=True)
class Attaching:
    """What attaching a held mail to an incident would do, before it is done (D22).

    ``contact`` is whose message it would be; ``is_sender`` where they wrote it from an address of theirs; ``elsewhere``
    the other customers' contacts who write from it; ``instead`` the incidents that the mail names, where this is none
    of them; ``colleagues`` whose it could be as well.
    """

    incident: Incident
    contact: Contact
    is_sender: bool
    elsewhere: tuple[Contact, ...]
    instead: tuple[Incident, ...]
    colleagues: tuple[Contact, ...]
    effect: Effect

    @property
    def asks(self) -> bool:
        """True where it is asked once more: the customer who will read it may well be the wrong one."""
        return self.effect != "automatic" and (not self.is_sender or bool(self.instead))


def attaching(
    scope: Scope, held: HeldMail, mail: ParsedMail, incident: Incident, senders: tuple[Contact, ...]
) -> Attaching:
    """Says what attaching does, by what is stored now; the act looks once more."""
    wrote = next((contact for contact in senders if contact.customer_id == incident.customer_id), None)
    return Attaching(
        incident=incident,
        contact=wrote or incident.contact,
        is_sender=wrote is not None,
        elsewhere=() if wrote is not None else senders,
        instead=named_instead(held, mail.subject, incident),
        colleagues=tuple(contacts_for(scope).filter(customer=incident.customer_id).order_by("name", "pk")[:COLLEAGUES]),
        effect=_effect(held, mail, incident),
    )


def _effect(held: HeldMail, mail: ParsedMail, incident: Incident) -> Effect:
    if mail.automatic:
        return "automatic"
    first = incident.first_closed_at
    if incident.status != Status.CLOSED or first is None:
        return "added"
    if incident.reopen_asked_at is not None:
        return "request"
    in_time = may_reopen(first_closed_at=first, zone=incident.customer.zone, at=held.raw_mail.received_at)
    return "request" if in_time else "too_late"


def incident_by_number(scope: Scope, number: str) -> Incident | None:
    """The incident of a ticket number, or the one that it was merged into (D35)."""
    seen = incidents_for(scope).select_related("customer", "contact", "merged_into__customer", "merged_into__contact")
    found = seen.filter(number=number).first() if number else None
    while found is not None and found.merged_into_id is not None:
        found = seen.get(pk=found.merged_into_id)
    return found
