"""Product failures: marked by a technician, chosen by the customer, determined by an admin (R14, D4, D17)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from incidents import mails
from incidents.cases import REASON_MAX, REFERENCE_MAX, CaseOutcome, CaseState, Choice, CreditCase
from incidents.models import Incident, NoticeCode, TimelineCode
from incidents.notices import owner_alone
from incidents.queries import credit_of
from incidents.services.common import (
    KeyReused,
    Refused,
    TextMissing,
    TextTooLong,
    lock_incident,
    must_allow,
    note_step,
    tried,
)
from incidents.services.noticing import notify
from incidents.statuses import Act
from points.giving_back import given_back, refund_preview
from points.models import Refund
from points.refund_services import RefundWord, record_refund, refund_to_card
from points.refusals import AlreadyGivenBack, NoCard, NotToCard
from points.services import credit_back
from supportdesk.mail.texts import one_line
from supportdesk.people.models import Contact, User
from supportdesk.policy import POLICY


class AlreadyMarked(Refused):
    """The incident was marked before; ``case`` says by whom, when and with what reference."""

    def __init__(self, case: CreditCase) -> None:
        super().__init__(case.reference)
        self.case = case


class NothingCharged(Refused):
    """The incident has no charge that could be given back."""


class AlreadyDetermined(Refused):
    """Somebody was faster: by whom, when, and what they decided."""

    def __init__(self, *, by: User | None, at: datetime | None, outcome: str) -> None:
        super().__init__(f"{outcome} by {by}")
        self.by = by
        self.at = at
        self.outcome = outcome


class CardNotPossible(Refused):
    """Nothing can be refunded to a card; ``why`` is the code of the reason (D5)."""

    def __init__(self, why: NoCard) -> None:
        super().__init__(why)
        self.why = why


class NotAdmin(Refused):
    """Only admins determine a product failure (D17, D22)."""


@transaction.atomic
def mark_bug(*, incident_id: int, reference: str, user: User, at: datetime, key: str) -> CreditCase:
    """Marks an incident as a product failure, at any status, and asks the customer at once: points or card (D17).

    It is no response and moves no clock (D11). Where nobody can be asked by mail it stays marked: an admin may
    determine it all the same. The same key with the same reference gives the first case back.

    Raises AlreadyMarked, NothingCharged, AlreadyGivenBack, NotAllowed, TextMissing, TextTooLong, KeyReused; then
    nothing has changed.
    """
    reference = _reference(reference)
    incident = lock_incident(incident_id)
    before = CreditCase.objects.filter(key=key).first()
    if before is not None:
        if (before.incident_id, before.reference) != (incident.pk, reference):
            raise KeyReused
        return before
    link = incident.charges.select_related("charge").filter(current=True).first()
    if link is None:
        raise NothingCharged
    marked = CreditCase.objects.select_related("marked_by").filter(charge=link.charge).first()
    if marked is not None:
        raise AlreadyMarked(marked)
    back = given_back(charge_id=link.charge_id)
    if back is not None:
        raise AlreadyGivenBack(when=back.at, by=back.actor)
    must_allow(incident, Act.MARK_BUG)
    case = CreditCase.objects.create(
        incident=incident, charge=link.charge, reference=reference, marked_by=user, marked_at=at, key=key
    )
    note_step(incident, TimelineCode.BUG_MARKED, at=at, user=user, data={"case": case.pk})
    if incident.contact.email:
        case.state = CaseState.ASKED
        case.asked_at = at
        case.answer_due = at + timedelta(days=POLICY.bug_answer_days)
        case.save()
        note_step(incident, TimelineCode.BUG_ASKED, at=at, data={"case": case.pk})
        mails.bug_marked(incident, credit=credit_of(case, at=at), at=at)
    incident.last_at = at
    incident.save(update_fields=["last_at"])
    return case


@transaction.atomic
def choose(*, case_id: int, contact: Contact, choice: str, at: datetime) -> CreditCase:
    """Keeps how the customer wants the charge back; they may change their mind until it is determined (D17).

    Raises AlreadyDetermined, CardNotPossible; then nothing has changed.
    """
    wanted = Choice(choice)
    incident, case = _locked(case_id)
    _must_be_open(case)
    if wanted is Choice.CARD:
        _must_have_a_card(case)
    if case.choice == wanted and case.chosen_by_id is not None:
        return case
    case.choice = wanted
    case.chosen_by = contact
    case.chosen_at = at
    case.save()
    data = {"case": case.pk, "choice": wanted.value}
    note_step(incident, TimelineCode.BUG_CHOSEN, at=at, contact=contact, data=data)
    return case


@transaction.atomic
def determine(
    *,
    case_id: int,
    outcome: str,
    reason: str,
    user: User,
    at: datetime,
    key: str,
    expires_at: datetime | None = None,
) -> CreditCase:
    """An admin's word: gives the points back, refunds the card, or refuses with a reason. The customer is told (D17).

    Possible at any state. ``outcome`` may be empty for what the customer said, or points where they said nothing.
    ``expires_at`` grants the credits a later end, with a reason (D3). The same key with the same outcome and
    reason gives the first decision back.

    Raises AlreadyDetermined, NotAdmin, CardNotPossible, TextMissing, TextTooLong, and what ``credit_back`` raises;
    then nothing has changed.
    """
    if not (user.is_active and user.is_staff):
        raise NotAdmin
    reason = reason.replace("\x00", "").replace("\r\n", "\n").strip()
    incident, case = _locked(case_id)
    decided = CaseOutcome(outcome) if outcome else _wanted(case)
    until = expires_at if decided is CaseOutcome.CREDITED else None
    before = (case.decision_key, case.outcome, case.reason, case.later_until)
    if not case.is_open and before == (key, decided, reason, until):
        return case
    _must_be_open(case)
    if not reason and (decided is CaseOutcome.REFUSED or expires_at is not None):
        raise TextMissing
    if expires_at is not None and decided is not CaseOutcome.CREDITED:
        raise ValueError("only points can live longer")
    if len(reason) > REASON_MAX:
        raise TextTooLong(length=len(reason))
    case.state = CaseState.DETERMINED
    case.outcome = decided
    case.reason = reason
    case.determined_by = user
    case.determined_at = at
    case.decision_key = key
    if decided is CaseOutcome.CREDITED:
        case.later_until = expires_at
        credit_back(
            charge_id=case.charge_id,
            at=at,
            actor=user,
            key=f"case:{case.pk}",
            reason=reason or _why(case),
            expires_at=expires_at,
        )
    elif decided is CaseOutcome.REFUNDED:
        _refund(case, user=user, at=at)
    case.save()
    code = {
        CaseOutcome.CREDITED: TimelineCode.BUG_CREDITED,
        CaseOutcome.REFUNDED: TimelineCode.BUG_REFUNDED,
        CaseOutcome.REFUSED: TimelineCode.BUG_REFUSED,
    }[decided]
    note_step(incident, code, at=at, user=user, data={"case": case.pk, "points": case.charge.points})
    mails.bug_determined(incident, credit=credit_of(case, at=at), at=at)
    notify(
        NoticeCode.BUG_DETERMINED,
        # Where nobody has it, whoever marked it waits for the word.
        to=owner_alone(incident.owner or case.marked_by),
        incident=incident,
        at=at,
        key=f"case:{case.pk}",
        by=user,
        data={"case": case.pk, "outcome": decided.value},
    )
    incident.last_at = at
    incident.save(update_fields=["last_at"])
    return case


@transaction.atomic
def settle_refund(*, refund_id: int, word: RefundWord, at: datetime) -> Refund | None:
    """Keeps what the provider says of a refund; None where it is nothing new (D5).

    Where it failed for good, the leg comes back as points, and the customer is told in the same transaction (D4).
    """
    charge_id = Refund.objects.values_list("giveback__charge_id", flat=True).get(pk=refund_id)
    case_id = CreditCase.objects.filter(charge_id=charge_id).values_list("pk", flat=True).first()
    if case_id is None:
        return record_refund(refund_id=refund_id, word=word, at=at)
    incident, case = _locked(case_id)
    refund = record_refund(refund_id=refund_id, word=word, at=at)
    if refund is None or refund.state == Refund.State.SENT:
        return refund
    failed = refund.state == Refund.State.FAILED
    code = TimelineCode.REFUND_FAILED if failed else TimelineCode.REFUND_DONE
    note_step(incident, code, at=at, data={"refund": refund.pk, "points": refund.points})
    if failed:
        mails.refund_failed(incident, credit=credit_of(case, at=at), refund=refund, at=at)
        incident.last_at = at
        incident.save(update_fields=["last_at"])
    return refund


def record_silence(*, at: datetime, limit: int = 200) -> int:
    """Keeps "points" where the customer said nothing for 14 days, and gives how many; safe twice and late (D17)."""
    silent = CreditCase.objects.filter(state=CaseState.ASKED, choice="", answer_due__lte=at).order_by("answer_due")
    return sum(tried(_silent, case_id, at=at) for case_id in silent.values_list("pk", flat=True)[:limit])


@transaction.atomic
def _silent(case_id: int, *, at: datetime) -> bool:
    incident, case = _locked(case_id)
    if case.state != CaseState.ASKED or case.choice:
        return False
    case.choice = Choice.POINTS
    case.chosen_at = at
    case.save()
    note_step(incident, TimelineCode.BUG_SILENCE, at=at, data={"case": case.pk, "days": POLICY.bug_answer_days})
    return True


def _locked(case_id: int) -> tuple[Incident, CreditCase]:
    """The case with its customer's row, its incident and itself locked, in that order."""
    incident = lock_incident(CreditCase.objects.values_list("incident_id", flat=True).get(pk=case_id))
    case = (
        CreditCase.objects.select_for_update(of=("self",), no_key=True)
        .select_related("charge", "determined_by", "marked_by")
        .get(pk=case_id)
    )
    return incident, case


def _wanted(case: CreditCase) -> CaseOutcome:
    return CaseOutcome.REFUNDED if case.choice == Choice.CARD else CaseOutcome.CREDITED


def _must_be_open(case: CreditCase) -> None:
    if not case.is_open:
        raise AlreadyDetermined(by=case.determined_by, at=case.determined_at, outcome=case.outcome)


def _must_have_a_card(case: CreditCase) -> None:
    preview = refund_preview(charge_id=case.charge_id)
    if preview.refusal is not None:
        raise CardNotPossible(preview.refusal)


def _refund(case: CreditCase, *, user: User, at: datetime) -> None:
    try:
        refund_to_card(
            charge_id=case.charge_id, at=at, actor=user, key=f"case:{case.pk}", reason=case.reason or _why(case)
        )
    except NotToCard as refused:
        raise CardNotPossible(refused.why) from refused


def _why(case: CreditCase) -> str:
    return _("Product failure %(reference)s") % {"reference": case.reference}


def _reference(text: str) -> str:
    text = one_line(text, len(text) + 1)
    if not text:
        raise TextMissing
    if len(text) > REFERENCE_MAX:
        raise TextTooLong(length=len(text))
    return text
