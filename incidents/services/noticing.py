"""Telling staff: on their page, by mail, or both, as each chose; never of one's own act, and once a cause (D39)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from incidents import mails
from incidents.models import HeldMail, Incident, Notice, NoticeCode, NoticeSetting
from incidents.notices import DIGESTED, GATHERED, Way, admins, codes_for, everyone, owner_alone, ways
from incidents.services.common import Refused
from supportdesk.mail import doors
from supportdesk.mail.models import MailDoor, OutgoingMail
from supportdesk.mail.outgoing import can_be_mailed
from supportdesk.people.models import User
from supportdesk.policy import POLICY

# How far back a run looks for mail that could not be sent: longer than any pause of the schedule that is not seen.
FAILURES_SINCE = timedelta(days=1)
SWEEP = 1_000


class NoWayLeft(Refused):
    """Staff are told by page, by mail, or both; ``code`` says of what neither was chosen."""

    def __init__(self, code: NoticeCode) -> None:
        super().__init__(code)
        self.code = code


@transaction.atomic(savepoint=False)
def notify(
    code: NoticeCode,
    *,
    to: Iterable[User],
    at: datetime,
    key: str,
    incident: Incident | None = None,
    by: User | None = None,
    data: Mapping[str, Any] | None = None,
) -> int:
    """Tells those of ``to`` who work here, but ``by`` whose act it is; gives how many (D39).

    ``key`` names the cause: however often it is told, each hears of it once. Of what is gathered nobody hears
    again while an earlier notice on their page is unread, or was read after ``at``. Mail about held mail is
    ``tell_of_held``'s.
    """
    told = {user.pk: user for user in to if user.works_here and (by is None or user.pk != by.pk)}
    if not told:
        return 0
    wanted = {pk: _reachable(told[pk], way) for pk, way in ways(list(told.values()), code).items()}
    if code in GATHERED and "door" not in (data or {}):
        known = Notice.objects.filter(user__in=told, code=code).filter(Q(read_at=None) | Q(read_at__gte=at))
        knowing = set(known.values_list("user_id", flat=True))
        wanted = {pk: way for pk, way in wanted.items() if not (way.on_page and pk in knowing)}
    about = dict(data or {})
    # Whatever tells the same at once neither fails nor doubles it.
    Notice.objects.bulk_create(
        [
            Notice(user_id=pk, code=code.value, incident=incident, at=at, key=key, data=about)
            for pk, way in sorted(wanted.items())
            if way.on_page
        ],
        ignore_conflicts=True,
    )
    readers = [told[pk] for pk, way in sorted(wanted.items()) if way.by_mail and code not in DIGESTED]
    mails.staff_notices(code, incident=incident, to=readers, key=key, data=about, at=at)
    return len(wanted)


def _reachable(user: User, way: Way) -> Way:
    """The way that was chosen, on the page as well where no mail reaches them."""
    return way if way.on_page or can_be_mailed(user.email) else Way(on_page=True, by_mail=False)


def split_accepted(incident: Incident, *, proposal_id: int, at: datetime, by: User | None = None) -> int:
    """Tells the owner of the original that its customer accepted the split (D14, D39)."""
    told = owner_alone(incident.owner)
    key = f"proposal:{proposal_id}"
    return notify(
        NoticeCode.SPLIT_ACCEPTED, to=told, incident=incident, at=at, key=key, by=by, data={"proposal": proposal_id}
    )


def tell_of_failures(*, at: datetime) -> int:
    """Tells the admins that mail could not be sent; however often it runs, each failure once (D30, D39).

    That the mail about it failed is told to nobody by mail: it would go round for ever. Where the recipient's
    address is at fault, that is told instead (D28).
    """
    failed = OutgoingMail.objects.filter(failed_at__gt=at - FAILURES_SINCE, failed_at__lte=at, bounce="")
    last = failed.exclude(kind=mails.kind_of(NoticeCode.OUTBOX_FAILED)).order_by("-failed_at", "-pk").first()
    if last is None or last.failed_at is None:
        return 0
    key = f"outbox:{last.pk}:{last.failed_at.isoformat()}"
    return notify(NoticeCode.OUTBOX_FAILED, to=admins(), at=last.failed_at, key=key, data={"mail": last.pk})


def tell_of_doors(*, at: datetime) -> int:
    """Tells the admins of each way of mail that has failed for a while, and once more when it works again (D39)."""
    failing = sum(_tell_of_door(door, works=False, at=at) for door in doors.failing_long(at=at))
    return failing + sum(_tell_of_door(door, works=True, at=at) for door in doors.working_again())


@transaction.atomic
def _tell_of_door(door: MailDoor, *, works: bool, at: datetime) -> int:
    # Only one of two runs at once changes the row, and tells.
    if not doors.told(door, at=None if works else at):
        return 0
    data = {"door": door.name, "works": works}
    since = door.told_at if works else at
    assert since is not None
    key = f"door:{door.pk}:{since.isoformat()}:{works}"
    return notify(NoticeCode.OUTBOX_FAILED, to=admins(), at=at, key=key, data=data)


@transaction.atomic
def tell_of_held(*, at: datetime) -> int:
    """Mails those who want it how many mails are held: once an hour at most, and only where one came since (D39).

    Whoever holds a mail asks for it, and a job for those that came within the hour; both at once tell once.
    """
    kind = mails.kind_of(NoticeCode.MAIL_HELD)
    waiting = HeldMail.objects.filter(settled_at=None)
    newest = waiting.order_by("-held_at", "-pk").values_list("held_at", "pk").first()
    if newest is None:
        return 0
    wanted = {user.pk: user for user in everyone()}
    chosen = ways(list(wanted.values()), NoticeCode.MAIL_HELD)
    readers = [user for pk, user in wanted.items() if _reachable(user, chosen[pk]).by_mail]
    readers = [user for user in readers if can_be_mailed(user.email)]
    if not readers:
        return 0
    with connection.cursor() as cursor:
        # Two at once must not both find that nobody was told yet.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [kind])
    # Told since the newest came, or within the hour: not again.
    since = min(newest[0], at - timedelta(minutes=POLICY.held_mails_told_minutes, microseconds=-1))
    sent = OutgoingMail.objects.filter(kind=kind, queued_at__gte=since)
    told = set(sent.filter(to_address__in=[user.email for user in readers]).values_list("to_address", flat=True))
    due = [user for user in readers if user.email not in told]
    if due:
        key = f"held:{newest[1]}:{at.isoformat()}"
        mails.staff_notices(
            NoticeCode.MAIL_HELD, incident=None, to=due, key=key, data={"waiting": waiting.count()}, at=at
        )
    return len(due)


@transaction.atomic
def choose_ways(*, user: User, chosen: Mapping[NoticeCode, Way]) -> None:
    """Keeps how somebody wants to be told. Raises NoWayLeft; then nothing has changed."""
    for code, way in chosen.items():
        if not (way.on_page or way.by_mail):
            raise NoWayLeft(code)
    known = codes_for(user)
    NoticeSetting.objects.bulk_create(
        [
            NoticeSetting(user=user, code=code, on_page=way.on_page, by_mail=way.by_mail)
            for code, way in chosen.items()
            if code in known
        ],
        update_conflicts=True,
        unique_fields=["user", "code"],
        update_fields=["on_page", "by_mail"],
    )


def mark_read(
    *,
    user: User,
    at: datetime,
    only: int | None = None,
    through: int | None = None,
    incident: Incident | None = None,
    code: NoticeCode | None = None,
) -> int:
    """Marks one's notices as read: one of them, those up to one, of an incident, or of a code; gives how many."""
    wanted = {"pk": only, "pk__lte": through, "incident": incident, "code": code}
    given = {name: value for name, value in wanted.items() if value is not None}
    if not given:
        raise ValueError("which of them?")
    return Notice.objects.filter(user=user, read_at=None, **given).update(read_at=at)


def sweep_notices(*, at: datetime) -> int:
    """Deletes what was read POLICY.notice_days ago, a batch a run; safe twice and in parallel (D39)."""
    old = Notice.objects.filter(read_at__lte=at - timedelta(days=POLICY.notice_days)).order_by("pk")
    with transaction.atomic():
        batch = list(old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:SWEEP])
        return Notice.objects.filter(pk__in=batch).delete()[0]
