"""Thin tasks: ids by keyword, one look at the clock, one call. Safe twice, safe late, safe with two schedulers."""

from __future__ import annotations

from celery import shared_task

from incidents import paying
from incidents.announcing import announce_due
from incidents.inbound import file_waiting
from incidents.replanning import replan_due
from incidents.services import bouncing, crediting, files, lapsing, noticing, silence
from incidents.services.visiting import sweep_visits
from supportdesk import clock
from supportdesk.mail.incoming import wake_filer

BATCH = 100


@shared_task(name="incidents.file_mail")
def file_mails() -> int:
    """Files every stored mail that waits, and gives how many were filed (D29)."""
    tried, filed = file_waiting(now=clock.now, limit=BATCH)
    if tried == BATCH:
        wake_filer()  # more may wait
    return filed


@shared_task(name="incidents.announce_clocks")
def announce_clocks() -> int:
    """Flags what is about to be late, and what is (D13)."""
    return announce_due(at=clock.now())


@shared_task(name="incidents.replan")
def replan() -> int:
    """Plans deadlines anew where the calendars have changed (D23)."""
    return replan_due(at=clock.now())


@shared_task(name="incidents.record_silence")
def record_silence() -> int:
    """Keeps "points" where a customer did not say in 14 days how to give a charge back (D17)."""
    return crediting.record_silence(at=clock.now())


@shared_task(name="incidents.end_silence")
def end_silence() -> int:
    """Reminds of what waits for its customer, and closes what waited too long (D10)."""
    return silence.remind_and_close(at=clock.now())


@shared_task(name="incidents.lapse")
def lapse() -> int:
    """Tells of drafts and proposals that are about to lapse, and lets proposals lapse (D8, D14)."""
    return lapsing.warn_and_lapse(at=clock.now())


@shared_task(name="incidents.tell_of_failures")
def tell_of_failures() -> int:
    """Marks addresses that were refused (D28); tells admins of other mail not sent, and of ways of mail (D39)."""
    at = clock.now()
    bouncing.judge_refused(at=at)
    return noticing.tell_of_failures(at=at) + noticing.tell_of_doors(at=at)


@shared_task(name="incidents.tell_of_held")
def tell_of_held() -> int:
    """Mails those who want it how many mails are held, once an hour at most (D39)."""
    return noticing.tell_of_held(at=clock.now())


@shared_task(name="incidents.sweep_notices")
def sweep_notices() -> int:
    """Deletes notices that were read long ago (D39)."""
    return noticing.sweep_notices(at=clock.now())


@shared_task(name="incidents.sweep_visitor_reports")
def sweep_visitor_reports() -> int:
    """Deletes reports by link whose time has long been over (D25)."""
    return sweep_visits(at=clock.now())


@shared_task(name="incidents.handle_payment_events")
def handle_payment_events() -> int:
    """Looks at the payments that the provider's events speak of (D32)."""
    return paying.handle_events(now=clock.now)


@shared_task(name="incidents.send_refunds")
def send_refunds() -> int:
    """Sends refunds that are due, and looks at those on their way (D5)."""
    return paying.send_refunds(now=clock.now)


@shared_task(name="incidents.look_at_payments")
def look_at_payments() -> int:
    """Looks at payments that are open for long, should their event be lost (D32)."""
    return paying.look_at_payments(now=clock.now)


@shared_task(name="incidents.sweep_files")
def sweep_files() -> int:
    """Removes uploads that nothing was sent with (D31)."""
    return files.sweep(at=clock.now())
