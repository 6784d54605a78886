"""System checks: a policy that makes sense, and what a desk in production needs. Each says what to do."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from supportdesk.policy import POLICY


def policy_makes_sense(**kwargs: Any) -> list[CheckMessage]:
    """Numbers that contradict each other are found before a customer finds them."""
    wrong: list[CheckMessage] = []
    if not 0 < POLICY.email_points <= POLICY.phone_points:
        wrong.append(Error("The price of an e-mail incident is not between 1 and a phone incident's.", id="desk.E001"))
    if POLICY.opens >= POLICY.closes or not POLICY.weekdays:
        wrong.append(Error("Business hours end before they begin, or no weekday is open.", id="desk.E002"))
    if sorted(POLICY.warning_minutes, reverse=True) != list(POLICY.warning_minutes):
        wrong.append(Error("Warnings are given from the earliest to the latest: 60, 15.", id="desk.E003"))
    if max(POLICY.warning_minutes) >= POLICY.response_minutes:
        wrong.append(Error("A warning lies before its clock starts.", id="desk.E004"))
    days = POLICY.expiry_warning_days
    if sorted(set(days), reverse=True) != list(days) or not all(0 <= count < 365 * POLICY.lot_years for count in days):
        wrong.append(Error("Expiry is warned of from the earliest to the latest: 30, 7, 1.", id="desk.E005"))
    return wrong


def production_is_set_up(**kwargs: Any) -> list[CheckMessage]:
    """What the demo may do and a desk with customers may not."""
    found: list[CheckMessage] = []
    if settings.DEMO:
        found.append(
            Error("DEMO is on: everybody may read all mail.", hint="Unset DEMO in production.", id="desk.E010")
        )
    if settings.MAIL_DOMAIN.endswith(".example"):
        found.append(
            Error("MAIL_DOMAIN is not set.", hint="Set it to the domain that customers answer to.", id="desk.E011")
        )
    if not settings.BASE_URL.startswith("https://"):
        found.append(
            Error(
                "BASE_URL is not https.",
                hint="Sign-in codes and sessions must not travel in the clear.",
                id="desk.E012",
            )
        )
    if settings.MAIL_AUTHSERV_ID == settings.MAIL_DOMAIN:
        found.append(
            Warning(
                "MAIL_AUTHSERV_ID is not set: your mail server's DMARC verdict counts only if it signs as MAIL_DOMAIN.",
                hint="Set it to the name that your mail server writes into Authentication-Results.",
                id="desk.W011",
            )
        )
    if not settings.MAIL_RECEIVED_BY:
        found.append(
            Warning(
                "MAIL_RECEIVED_BY is not set: all mail seems to come from the server before the gateway.",
                hint="Set it to the name that your mail server writes behind “by” in Received, so that D28’s budgets "
                "go by the network of whoever sent a mail.",
                id="desk.W012",
            )
        )
    if any(mailbox.after == "delete" for mailbox in settings.IMAP_MAILBOXES):
        found.append(
            Warning(
                "IMAP_AFTER is delete: the desk’s database holds the only copy of each mail.",
                hint="Set it to move:FOLDER unless the database is backed up as often as you want to lose no mail.",
                id="desk.W013",
            )
        )
    if not settings.REDIS_URL:
        found.append(
            Warning(
                "REDIS_URL is not set: messages travel through files, on one machine only.",
                hint="Set REDIS_URL to a Redis with a password.",
                id="desk.W010",
            )
        )
    return found
