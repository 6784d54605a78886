"""Every number of the rules, its rule beside it. No Django, no clock, no I/O.

The text of each rule stands in ``docs/rules.md``; nothing else in the project repeats a number that
stands here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The vendor's promise in numbers. Times of day are local to the customer; lengths say their unit."""

    # Points
    email_points: int = 10  # R1
    phone_points: int = 30  # R1
    lot_years: int = 1  # R2, D1: local calendar years
    expiry_warning_days: tuple[int, ...] = (30, 7, 1)  # D7: local days before the last one
    expiry_warning_time: time = time(9)  # D7: of that day, in the zone of the purchase
    draft_days: int = 30  # D8
    pack_sizes: tuple[int, ...] = (10, 30, 100, 300)  # D32
    price_minor_max: int = 99_999_999  # D32: eight digits are the most that the provider takes
    payment_hours: int = 24  # D32: then a payment that was begun is given up
    credit_years_max: int = 5  # D3: a later expiry than that is taken for a slip of the hand
    lot_points_max: int = 100_000  # D32: more in one lot is taken for a slip of the hand

    # Business hours
    opens: time = time(9)  # R5
    closes: time = time(17)  # R5
    weekdays: frozenset[int] = frozenset({0, 1, 2, 3, 4})  # R5, D23: Monday is 0
    response_minutes: int = 240  # R6: business minutes
    warning_minutes: tuple[int, ...] = (60, 15)  # D13: business minutes before the deadline
    horizon_days: int = 400  # D12: how far a deadline is looked for before the calendar is called closed
    closure_days_max: int = 366  # D23: of one closure or run of open days, first and last included
    closure_name_max: int = 120  # characters
    closure_file_bytes_max: int = 256 * 1024  # D23: of one .ics file
    closure_file_events_max: int = 1_000  # D23
    replan_batch: int = 1_000  # D23: clocks planned anew in one transaction
    preview_clocks_max: int = 20_000  # D23: clocks looked at to say what a change would move

    # Incidents
    reopen_days: int = 90  # R13, D16: local days after the original closure
    reminder_business_days: int = 5  # D10
    auto_close_business_days: int = 10  # D10
    bug_answer_days: int = 14  # D17
    split_parts_max: int = 10  # D14: more subordinate problems at once are taken for a slip of the hand
    lapse_notice_days: int = 3  # D8, D14: how long before a draft or proposal lapses its customer is told
    lapse_notice_hour: int = 9  # D8, D14: hours after the midnight that is so many days before
    visitor_report_hours: int = 48  # D25: how long the link to a report can be followed
    visitor_report_swept_days: int = 7  # D25: how long after that the report itself is still kept
    mistake_reason_max: int = 500  # D36: characters
    unmerge_hours: int = 24  # D35
    mistake_hours: int = 1  # D36
    undo_seconds: int = 10  # D41
    subject_max: int = 200  # characters of a report's subject
    text_max: int = 100_000  # characters of one message
    phone_number: str = "+18667225492"  # R8, D37

    # Being told
    followers_max: int = 50  # D38: more on one incident are taken for a slip of the hand
    notice_days: int = 90  # D39: then a notice that was read is swept
    held_mails_told_minutes: int = 60  # D39: nobody is mailed about held mail again before

    # Mail
    unknown_sender_answers_a_day: int = 1  # D27
    unauthenticated_mails_an_hour: int = 10  # D28: by address, and by the sender's network
    mail_drafts_waiting_max: int = 10  # D27: of one contact, of mails and not finished yet
    draft_mails_max: int = 20  # D27: mails that add to one draft
    outbox_days: int = 3  # D30
    held_at_once_max: int = 200  # D26: held mails that one press settles
    filed_anew_at_once: int = 50  # D26: held mails of an address that are decided again in one go
    mail_tries: int = 3  # D29: then an unreadable mail is held with the error beside it
    mail_bytes_max: int = 25 * 1024 * 1024  # D31
    mail_files_bytes_max: int = 10 * 1024 * 1024  # D31: of the files that go out with one mail, before they are coded
    door_failing_minutes: int = 15  # D39: then the admins are told that no mail comes in, or goes out

    # Tips
    tips_link_hours: int = 48  # R15: how long the link that confirms can be followed
    tips_mails_a_day: int = 3  # R15, D28: to one address, however often and by whomever it is asked for
    tips_asked_swept_days: int = 7  # R15: how long after that what was asked for is still kept
    tips_batch: int = 100  # R15: readers at once, and mails of one issue that wait in the outbox at most
    tips_batch_seconds: int = 60  # R15: from one batch to the next
    tips_rest_hours: int = 6  # R15: an issue that rested for longer goes on by an admin's word only
    tips_text_max: int = 50_000  # characters of an issue

    # Files
    file_bytes_max: int = 25 * 1024 * 1024  # D31: of one file
    files_max: int = 20  # D31: of one message
    message_files_bytes_max: int = 50 * 1024 * 1024  # D31: of one message's files together
    file_name_max: int = 200  # D31: characters; a longer one is shortened in its middle
    upload_hours: int = 24  # D31: then an upload that nothing was sent with is swept
    uploads_waiting_max: int = 100  # D31: of one person, not sent with anything yet
    post_bytes_max: int = 128 * 1024 * 1024  # D31: a longer POST is not read to its end
    kept_text_days: int = 30  # of what was typed and not sent, in the browser

    icon_pixels: int = 48  # D31: a picture of a mail that is no larger is an icon, and listed quietly
    shown_pictures_bytes_max: int = 10 * 1024 * 1024  # D31: of one mail's pictures, shown in its HTML

    # The one clock
    clock_tolerance: timedelta = timedelta(minutes=5)  # D40

    def points_for(self, channel: str) -> int:
        """What opening an incident costs on ``channel`` (``"email"`` or ``"phone"``), in points (R1).

        >>> POLICY.points_for("phone")
        30
        """
        return {"email": self.email_points, "phone": self.phone_points}[channel]


POLICY: Final = Policy()
