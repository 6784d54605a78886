"""What pages ask of incidents: the quote before sending, one incident as a story, a customer's home."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Count, Q, QuerySet, When

from incidents.access import as_followed, cases_for, incidents_for, messages_for, pays_for, timeline_for
from incidents.cases import CaseOutcome, CaseState, CreditCase
from incidents.models import Attachment, HeldMail, Incident, IncidentClock, Message, TimelineCode, TimelineEntry, Via
from incidents.numbers import numbers_in
from incidents.queue import Hand, There, hand_of, there
from incidents.statuses import UNFINISHED, Act, Status, allows
from points.giving_back import (
    CreditPart,
    RefundPreview,
    credit_parts,
    credit_preview,
    given_back,
    refund_preview,
    refunds_of,
)
from points.models import Refund
from points.queries import Part, Quote, charge_parts, quote
from points.refusals import NoCard
from sla.calendars import calendar_for, current_calendars
from sla.deadline import plan
from sla.explain import Row, rows
from sla.models import Outcome
from sla.queries import explain_clock
from supportdesk.mail.quotes import Piece, fold
from supportdesk.markup import reference, references
from supportdesk.people.models import Customer
from supportdesk.people.scope import Scope
from supportdesk.places import zone_info
from supportdesk.policy import POLICY

HISTORY_ROWS = 5
SUBJECT_NUMBERS = 10  # of a mail's subject that are looked up
HOME_ROWS = 100
STORY_MESSAGES = 200
WHOLE_MESSAGES = 5_000
# Steps that a message says already.
SAID_BY_MESSAGES = (
    TimelineCode.OPENED,
    TimelineCode.NOTED,
    TimelineCode.CUSTOMER_WROTE,
    TimelineCode.ANSWERED,
    TimelineCode.CALLED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a report costs and by when it is answered, if it is sent at ``at`` (R1, R6, D24)."""

    customer: Customer
    quote: Quote
    due_at: datetime
    rows: tuple[Row, ...]


def promise(*, customer: Customer, channel: str, at: datetime, times: int = 1) -> Promise:
    """The quote that stands before the button: cost, which lots pay, what is left, and the deadline.

    ``times`` is how many incidents are opened at once: the parts of a split (D14).
    """
    found = plan(logged_at=at, calendar=calendar_for(customer.place, customer.pk))
    return Promise(
        customer=customer,
        quote=quote(customer_id=customer.pk, points=times * POLICY.points_for(channel), at=at),
        due_at=found.due_at,
        rows=rows(found, zone=zone_info(customer.zone)),
    )


def final_ids(ids: Iterable[int]) -> dict[int, int]:
    """For each incident the one that its number leads to: itself, or where it was merged (D35).

    One query more for each merge on the longest way; a circle cannot be made.
    """
    found = {pk: pk for pk in ids}
    ahead = set(found)
    while ahead:
        merged = Incident.objects.filter(pk__in=ahead, merged_into__isnull=False)
        onward = dict(merged.values_list("pk", "merged_into_id"))
        found = {pk: onward.get(at, at) for pk, at in found.items()}
        ahead = {at for at in onward.values() if at is not None}
    return found


def named_instead(held: HeldMail, subject: str, incident: Incident) -> tuple[Incident, ...]:
    """The incidents that a held mail means, where ``incident`` is none of them: by its subject, or as it was held for.

    A number that was merged means where it leads (D26, D35).
    """
    means = Q(number__in=numbers_in(subject)[:SUBJECT_NUMBERS]) | Q(pk=held.incident_id or 0)
    final = set(final_ids(Incident.objects.filter(means).values_list("pk", flat=True)).values())
    if incident.pk in final:
        return ()
    return tuple(Incident.objects.filter(pk__in=final).order_by("number"))


# Of a mail in its frame.
LINE_CHARS, PICTURE_LINES, SHORT_LINES, LONG_LINES = 80, 15, 8, 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One thing of the story: a message with its folded pieces and its files, or a step.

    ``quiet`` files of a mail are there, and are no part of what was said (D31).
    """

    at: datetime
    message: Message | None = None
    pieces: tuple[Piece, ...] = ()
    step: TimelineEntry | None = None
    files: tuple[Attachment, ...] = ()
    quiet: tuple[Attachment, ...] = ()

    @property
    def in_place(self) -> frozenset[int]:
        """The pictures that the text of our own message shows already: below it they are names (D31)."""
        named = references(self.message.text) if self.message and self.message.user_id else frozenset()
        return frozenset(file.pk for file in self.files if file.picture and reference(file.digest) in named)

    @property
    def paper(self) -> str:
        """About how long a frame the mail needs, for nothing in it can tell: short, middle or long (D31).

        Quotes are folded there.
        """
        words = "".join(piece.text for piece in self.pieces if piece.kind == "said").splitlines()
        lines = sum(1 + len(line) // LINE_CHARS for line in words)
        lines += PICTURE_LINES * sum(bool(file.content_id) for file in self.files)
        return "short" if lines <= SHORT_LINES else "middle" if lines <= LONG_LINES else "long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One incident as its page shows it to a scope."""

    incident: Incident
    told: tuple[Told, ...]
    link: IncidentClock
    hand: Hand | None
    there: There
    explained: tuple[Row, ...]
    spent: tuple[Part, ...]
    spent_points: int
    is_cut: bool
    reopened: bool
    after_all: bool  # announced as late, and in time by a later calendar (D23)


def story(scope: Scope, incident: Incident, *, at: datetime, whole: bool = False) -> Story:
    """The conversation and the steps in order, the clock, and what it cost: what ``scope`` may see of it (D22).

    Of a very long one the report and the latest messages, unless the ``whole`` is asked for.
    """
    limit = WHOLE_MESSAGES if whole else STORY_MESSAGES
    # The HTML of a mail is large, and shown by an address of its own.
    messages = messages_for(scope, incident).defer("html").prefetch_related("files")
    latest = list(messages.order_by("-at", "-pk")[: limit + 1])[::-1]
    is_cut = len(latest) > limit
    if is_cut:
        latest = [*messages.order_by("at", "pk")[:1], *latest[2:]]
    told = [
        Told(
            at=message.at,
            message=message,
            # What opened it answers nothing: there, lines behind ">" were written by hand.
            pieces=fold(message.text, answers=message.via == Via.MAIL and not message.key.startswith("open:")),
            files=tuple(file for file in message.files.all() if not file.quiet),
            quiet=tuple(file for file in message.files.all() if file.quiet),
        )
        for message in latest
    ]
    steps = timeline_for(scope, incident).exclude(code__in=SAID_BY_MESSAGES)
    if is_cut:
        steps = steps.filter(at__gte=latest[1].at)
    pays = pays_for(scope, incident)
    told += [Told(at=step.at, step=step if pays else as_followed(step)) for step in steps]
    link = incident.clocks.select_related("clock").get(current=True)
    charge = incident.charges.select_related("charge").get(current=True).charge
    calendars = current_calendars()
    return Story(
        incident=incident,
        told=tuple(sorted(told, key=lambda thing: (thing.at, thing.step is not None))),
        link=link,
        hand=hand_of(link, at=at, calendars=calendars),
        there=there(incident, at=at, calendars=calendars),
        explained=explain_clock(link.clock),
        spent=tuple(charge_parts(charge_id=charge.pk)),
        spent_points=charge.points,
        is_cut=is_cut and not whole,
        reopened=any(step.code == TimelineCode.REOPENED for step in steps),
        after_all=scope.desk and link.clock.announced_but_in_time(at),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedRefund:
    """A refund as far as it has come; ``instead`` are the points of one that was refused for good (D4)."""

    refund: Refund
    instead: tuple[CreditPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """A product failure with what giving its charge back makes, or made: as points, and to the card (D3, D5, D17).

    ``refund`` is what refunding would pay back now; ``refunds`` are the legs that were decided to go back to cards.
    """

    case: CreditCase
    parts: tuple[CreditPart, ...]
    refund: RefundPreview
    refunds: tuple[Refund, ...]

    @property
    def points(self) -> int:
        return self.case.charge.points

    @property
    def held(self) -> int:
        """How many of the points are, or would be, on hold (D32)."""
        return sum(part.points for part in self.parts if part.held)

    @property
    def free(self) -> int:
        """How many of the points are, or would be, on hand at once."""
        return sum(part.points for part in self.parts if not part.held)

    @property
    def no_card(self) -> NoCard | None:
        """Why nothing can go back to a card, or None where it can."""
        return self.refund.refusal

    @property
    def followed(self) -> list[FollowedRefund]:
        """Each refund with what came back as points instead, where it failed (D4)."""
        return [
            FollowedRefund(
                refund=refund,
                instead=tuple(part for part in self.parts if part.lot.purchase_id == refund.purchase_id),
            )
            for refund in self.refunds
        ]

    @property
    def soonest(self) -> CreditPart | None:
        """What ends first of it."""
        return self.parts[0] if self.parts else None


def credit_of(case: CreditCase, *, at: datetime, later: datetime | None = None) -> Credit:
    """What came back if it was given back, otherwise what would at ``at``, or until ``later``.

    Of a refund to cards ``parts`` are the legs that failed and came back as points (D4). Raises NotLater where
    ``later`` is later for no leg.
    """
    back = case.outcome in (CaseOutcome.CREDITED, CaseOutcome.REFUNDED)
    return Credit(
        case=case,
        parts=credit_parts(charge_id=case.charge_id)
        if back
        else credit_preview(charge=case.charge, at=at, later=later),
        refund=RefundPreview(legs=(), refusal=None) if back else refund_preview(charge_id=case.charge_id),
        refunds=refunds_of(charge_id=case.charge_id),
    )


def credit_on(scope: Scope, incident: Incident, *, at: datetime) -> Credit | None:
    """The product failure of an incident's current charge, as its page shows it; None where it is none."""
    case = cases_for(scope).filter(incident=incident, charge__link__current=True).first()
    return None if case is None else credit_of(case, at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePreview:
    """What merging an incident away does: the points that come back, whether its clock runs, who will follow (D35)."""

    points: int
    parts: tuple[CreditPart, ...]
    runs_since: datetime | None
    readers: tuple[str, ...]


def merge_preview(incident: Incident, *, at: datetime) -> MergePreview:
    """Without a word of what another incident has to do with it: that is asked when one is picked."""
    charge = incident.charges.select_related("charge").get(current=True).charge
    back = given_back(charge_id=charge.pk) is not None
    clock = incident.clocks.select_related("clock").get(current=True).clock
    followers = incident.followers.filter(removed_at=None).select_related("contact")
    return MergePreview(
        points=0 if back else charge.points,
        parts=() if back else credit_preview(charge=charge, at=at),
        runs_since=clock.started_at if clock.ended_at is None else None,
        readers=(incident.contact.name, *(follower.contact.name for follower in followers)),
    )


def to_merge_into(others: QuerySet[Incident], *, limit: int) -> list[Incident]:
    """Those of ``others`` that a duplicate may be merged into, what was opened last coming first (D35)."""
    worked_on = others.filter(status__in=[status for status in Status if allows(status, Act.MERGE_INTO)])
    return list(worked_on.select_related("owner", "release__product").order_by("-opened_at", "-pk")[:limit])


def unanswered(scope: Scope, *, limit: int = 20) -> QuerySet[CreditCase]:
    """Product failures whose customer has not said yet how to give the charge back (D17)."""
    cases = cases_for(scope).exclude(state=CaseState.DETERMINED).filter(choice="")
    return cases.select_related("incident__customer")[:limit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An unfinished incident on the customer's home: whose turn it is, and by when."""

    incident: Incident
    hand: Hand | None
    due_at: datetime

    @property
    def their_turn(self) -> bool:
        return self.incident.status == Status.WAITING


def standing(scope: Scope, *, at: datetime, limit: int = HOME_ROWS) -> list[Standing]:
    """A customer's unfinished incidents and re-openings asked for, the customer's turn first, then by deadline."""
    turn = Case(When(incident__status=Status.WAITING, then=0), When(clock__outcome=Outcome.RUNNING, then=1), default=2)
    links = _standing(scope).select_related("clock", "incident__customer").order_by(turn, "clock__due_at", "pk")
    calendars = current_calendars()
    return [
        Standing(incident=link.incident, hand=hand_of(link, at=at, calendars=calendars), due_at=link.clock.due_at)
        for link in links[:limit]
    ]


def turns(scope: Scope) -> tuple[int, int]:
    """How many of them wait for the customer, and how many are with us."""
    found = _standing(scope).aggregate(all=Count("pk"), theirs=Count("pk", filter=Q(incident__status=Status.WAITING)))
    return found["theirs"], found["all"] - found["theirs"]


def _standing(scope: Scope) -> QuerySet[IncidentClock]:
    mine = incidents_for(scope).filter(Q(status__in=UNFINISHED) | Q(reopen_asked_at__isnull=False))
    return IncidentClock.objects.filter(current=True, incident__in=mine)


def closed_lately(scope: Scope, *, limit: int = HISTORY_ROWS) -> QuerySet[Incident]:
    """The incidents that were closed last."""
    return (
        incidents_for(scope)
        .exclude(status__in=UNFINISHED)
        .filter(reopen_asked_at=None)
        .select_related("customer")
        .order_by("-closed_at")[:limit]
    )


def history(scope: Scope, incident: Incident, *, limit: int = HISTORY_ROWS) -> tuple[list[Incident], int]:
    """The customer's other incidents, newest first, and how many there are."""
    others = incidents_for(scope).filter(customer=incident.customer).exclude(pk=incident.pk)
    return list(others.order_by("-opened_at")[:limit]), others.count()


def soonest(lines: Iterable[Standing]) -> Standing | None:
    """The next answer that is due to the customer, or None."""
    running = [line for line in lines if line.hand is not None]
    return min(running, key=lambda line: line.due_at, default=None)
