"""One stored mail, filed once: what was decided is done by one service (D26, D28, D29)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.db import IntegrityError, transaction

from incidents.filing import Decision, decide
from incidents.inbound.again import held_before, is_settled, settle_again
from incidents.inbound.content import keep_files, said_in
from incidents.inbound.drafting import append_to_draft, draft_of_mail
from incidents.inbound.evidence import evidence_of, senders_of, who_wrote, whose_draft
from incidents.inbound.holding import hold, hold_given_up
from incidents.inbound.replies import ANSWERED_WHEN_HELD, NoRoom, answer_held, answer_too_big
from incidents.inbound.returned import Returned, returned_in
from incidents.models import HeldReason, Incident, NoticeCode, Via
from incidents.notices import owner_alone
from incidents.services.bouncing import came_back, works_again
from incidents.services.conversation import customer_message, keep_automatic
from incidents.services.drafting import DraftOpened
from incidents.services.files import FileRefused
from incidents.services.noticing import notify
from incidents.services.opening import DraftGone
from supportdesk.mail.bounces import DELIVERY_REPORT
from supportdesk.mail.incoming import AlreadyHandled, claim, claim_next, fail, identify, read, record
from supportdesk.mail.models import Outcome, RawMail
from supportdesk.mail.parse import ParsedMail
from supportdesk.mail.wake import wake
from supportdesk.people.models import Contact

log = logging.getLogger(__name__)


def file_mail(*, raw_id: int, at: datetime) -> str:
    """Files one stored mail, once, and says what became of it; empty where there was nothing to do.

    A message is dated by the instant at which our gateway took the mail, not by its Date header. Whatever
    the text lacks or exceeds, the raw source is kept and a technician finds it under held mail. A mail
    that cannot be filed is tried again, then held with the error; it never stops the next one (D29).
    """
    raw = claim(raw_id=raw_id, at=at)
    outcome = "" if raw is None else _file_claimed(raw, at=at)
    return outcome or (Outcome.HELD if hold_given_up(at=at) else "")


def file_waiting(*, now: Callable[[], datetime], limit: int) -> tuple[int, int]:
    """Files what waits, the longest due first, ``limit`` mails at most; gives how many were tried, and filed (D29)."""
    tried = filed = 0
    with wake.gathering():
        while tried < limit and (raw := claim_next(at=(at := now()))) is not None:
            tried += 1
            filed += bool(_file_claimed(raw, at=at))
    hold_given_up(at=now())
    return tried, filed


def _file_claimed(raw: RawMail, *, at: datetime) -> str:
    """Files a mail that this worker has claimed; empty where it could not."""
    try:
        if raw.tries > 1 and not _identified(raw, at=at):
            return Outcome.DUPLICATE
        try:
            return _file(raw, at=at)
        except IntegrityError:
            # Another delivery of this mail was filed in this moment, or what one allows once was done: now it shows.
            return _file(raw, at=at)
    except AlreadyHandled:
        return ""
    except Exception as error:  # whatever a stranger's mail provokes, the others go on
        log.exception("Mail %s was not filed", raw.pk)
        fail(raw_id=raw.pk, error=repr(error), at=at)
        return ""


@transaction.atomic
def _identified(raw: RawMail, *, at: datetime) -> bool:
    """Of a mail that failed, what it is stays known however often it fails: another delivery of it fails no more."""
    return identify(raw=raw, mail=read(raw), at=at)


@transaction.atomic
def _file(raw: RawMail, *, at: datetime) -> str:
    mail = read(raw)
    if not identify(raw=raw, mail=mail, at=at):
        return Outcome.DUPLICATE
    before = held_before(raw)
    if before is not None and is_settled(before):
        record(raw_id=raw.pk, outcome=Outcome.HELD, reason=before.reason, at=at)
        return Outcome.HELD
    senders = senders_of(mail)
    returned = returned_in(raw, mail)
    try:
        decision = decide(evidence_of(raw, mail, senders, at=at, returned=returned))
        outcome, reason = _do(decision, returned, raw=raw, mail=mail, senders=senders, at=at)
    except (DraftOpened, DraftGone):
        # The draft that it answers was opened, or put away, in this moment: now the mail shows that.
        decision = decide(evidence_of(raw, mail, senders, at=at, returned=returned))
        outcome, reason = _do(decision, returned, raw=raw, mail=mail, senders=senders, at=at)
    if not mail.automatic and not mail.dmarc_failed and any(contact.bounced_at for contact in senders):
        works_again(address=mail.from_address, at=raw.received_at)
    if before is not None:
        settle_again(before, outcome=outcome, reason=reason, at=at)
    record(raw_id=raw.pk, outcome=outcome, reason=reason, at=at)
    return outcome


def _do(
    decision: Decision,
    returned: Returned | None,
    *,
    raw: RawMail,
    mail: ParsedMail,
    senders: list[Contact],
    at: datetime,
) -> tuple[Outcome, str]:
    """Does what was decided; what is about a mail of ours that is no incident's waits for nobody (D28)."""
    if returned is None or raw.refused_bytes is not None or "automatic" not in (decision.action, decision.reason):
        return carry_out(decision, raw=raw, mail=mail, senders=senders, at=at)
    if returned.failure is not None:
        came_back(mail_id=returned.mail_id, bounce=returned.failure, at=raw.received_at)
    if decision.action == "hold":
        return Outcome.AUTOMATIC, mail.automatic
    return carry_out(decision, raw=raw, mail=mail, senders=senders, at=at, told=returned.failure is not None)


def carry_out(
    decision: Decision, *, raw: RawMail, mail: ParsedMail, senders: list[Contact], at: datetime, told: bool = False
) -> tuple[Outcome, str]:
    """Does what was decided, in the caller's transaction; gives what became of the mail, and why.

    ``told``: staff have heard that a mail of ours came back.
    """
    if raw.refused_bytes is not None:
        return _refuse(decision, raw=raw, mail=mail, at=at)
    if decision.action == "hold":
        return _hold(decision, raw=raw, mail=mail, at=at)
    if decision.action == "draft":
        return _draft(senders, raw=raw, mail=mail, at=at)
    if decision.draft is not None:
        return _append(decision, senders, raw=raw, mail=mail, at=at)
    assert decision.incident is not None
    contact = who_wrote(decision.incident, senders)
    if decision.action == "automatic":
        return _keep(decision.incident, contact, raw=raw, mail=mail, at=at, told=told)
    assert contact is not None
    return _add(decision.incident, contact, raw=raw, mail=mail)


def _refuse(decision: Decision, *, raw: RawMail, mail: ParsedMail, at: datetime) -> tuple[Outcome, str]:
    """Holds the header of a mail too large to be taken, and tells its sender, if a person may be told (D28, D31)."""
    hold(
        raw=raw,
        reason=HeldReason.TOO_BIG,
        sender=mail.from_address,
        subject=mail.subject,
        at=at,
        incident=decision.incident,
    )
    if decision.reason == HeldReason.TOO_BIG or decision.reason in ANSWERED_WHEN_HELD:
        answer_too_big(mail, raw=raw, at=at)
    return Outcome.HELD, HeldReason.TOO_BIG


def _hold(decision: Decision, *, raw: RawMail, mail: ParsedMail, at: datetime) -> tuple[Outcome, str]:
    hold(
        raw=raw,
        reason=decision.reason,
        sender=mail.from_address,
        subject=mail.subject,
        text=mail.text,
        at=at,
        incident=decision.incident,
    )
    if decision.reason in ANSWERED_WHEN_HELD:
        answer_held(mail, raw=raw, at=at)
    return Outcome.HELD, decision.reason


def _draft(senders: list[Contact], *, raw: RawMail, mail: ParsedMail, at: datetime) -> tuple[Outcome, str]:
    """Makes a draft of who wrote; what cannot be answered with its link is held (D27, D28)."""
    contact = whose_draft(senders, mail.from_address)
    if contact is None:
        return _hold(Decision(action="hold", reason=HeldReason.NO_INCIDENT), raw=raw, mail=mail, at=at)
    try:
        draft = draft_of_mail(raw=raw, mail=mail, contact=contact, at=at)
    except NoRoom:
        return _hold(Decision(action="hold", reason=HeldReason.TOO_MANY), raw=raw, mail=mail, at=at)
    return Outcome.DRAFT, f"draft:{draft.pk}"


def _append(
    decision: Decision, senders: list[Contact], *, raw: RawMail, mail: ParsedMail, at: datetime
) -> tuple[Outcome, str]:
    assert decision.draft is not None
    if decision.action == "automatic":
        return Outcome.AUTOMATIC, mail.automatic
    try:
        draft = append_to_draft(draft_id=decision.draft, raw=raw, mail=mail, at=at)
    except FileRefused:
        # With its files it is too much for that draft, so it is one of its own.
        return _draft(senders, raw=raw, mail=mail, at=at)
    return Outcome.DRAFT, f"draft:{draft.pk}"


def _keep(
    incident_id: int, contact: Contact | None, *, raw: RawMail, mail: ParsedMail, at: datetime, told: bool
) -> tuple[Outcome, str]:
    """Keeps an automatic mail; of a report that is about no mail of ours for sure the owner alone is told (D28)."""
    said = said_in(mail)
    keep_automatic(
        incident_id=incident_id,
        text=said.text,
        html=said.html,
        left=said.left,
        contact=contact,
        at=raw.received_at,
        raw_mail=raw,
        files=keep_files(mail, contact=contact, at=raw.received_at),
    )
    if not told and (mail.bounced or mail.automatic == DELIVERY_REPORT):
        incident = Incident.objects.select_related("customer", "owner").get(pk=incident_id)
        notify(NoticeCode.BOUNCE, to=owner_alone(incident.owner), incident=incident, at=at, key=f"raw:{raw.pk}")
    return Outcome.AUTOMATIC, mail.automatic


def _add(incident_id: int, contact: Contact, *, raw: RawMail, mail: ParsedMail) -> tuple[Outcome, str]:
    said = said_in(mail)
    added = customer_message(
        incident_id=incident_id,
        contact=contact,
        text=said.text,
        html=said.html,
        left=said.left,
        via=Via.MAIL,
        at=raw.received_at,
        key=f"raw:{raw.pk}",
        raw_mail=raw,
        files=keep_files(mail, contact=contact, at=raw.received_at),
    )
    if added.outcome == "request":
        return Outcome.REQUEST, ""
    return Outcome.ADDED, "" if added.outcome == "added" else added.outcome
