"""The mails of the tips: the link that confirms, the word that it is so already, and the issue itself (R15)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import queue_mail
from supportdesk.mail.render import Rendered, render_mail
from supportdesk.markup import to_article
from supportdesk.tips.models import Issue, Subscriber
from supportdesk.tips.tokens import unsubscribe_token

ISSUE: Final = "tips_issue"
# What asking is answered with: of these an address gets a few a day, whoever asks (D28).
ANSWERS: Final = ("tips_confirm", "tips_already")


def unsubscribe_url(subscriber_id: int) -> str:
    """Where one click ends the tips for that reader (RFC 8058)."""
    return settings.BASE_URL + reverse("tips:unsubscribe", args=[unsubscribe_token(subscriber_id)])


def unsubscribe_page() -> str:
    """What stands for that address where there is no reader: in a test, and on the admin's page."""
    return settings.BASE_URL + reverse("tips:tips")


def list_id() -> str:
    """The list's name, by which mail programs sort."""
    return f"{settings.DESK_NAME} tips <tips.{settings.MAIL_DOMAIN}>"


def asked(*, key: str, email: str, token: str, reader: Subscriber | None, about: str, at: datetime) -> OutgoingMail:
    """The link that confirms; to a reader, that they get the tips already. Nobody's words are in it but ours."""
    is_reader = reader is not None and reader.is_reading
    link = settings.BASE_URL + reverse("tips:follow", args=[token])
    gone = unsubscribe_url(reader.pk) if reader is not None and is_reader else ""
    name = "tips_already" if is_reader else "tips_confirm"
    rendered = render_mail(name, {"link": link, "unsubscribe_url": gone})
    return queue_mail(
        to_address=email,
        to_name="",
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        at=at,
        kind=name,
        key=f"tips-asked:{key}",
        about=about,
    )


def shown(issue: Issue, *, top: int) -> SafeString:
    """What an issue says, as HTML: nothing in it runs or is loaded (D31)."""
    return mark_safe(to_article(issue.text, top=top))  # noqa: S308 what nh3 lets through


def render_issue(issue: Issue, *, gone: str) -> Rendered:
    """An issue as a mail, with ``gone`` as the address that ends it."""
    return render_mail(ISSUE, {"issue": issue, "body": shown(issue, top=2), "unsubscribe_url": gone})


def renderer_of(issue: Issue) -> Callable[[str], Rendered]:
    """Renders an issue once, and then for each reader's own address: a batch costs one rendering (R15)."""
    stand_in = f"https://{secrets.token_hex(16)}.invalid/"
    made = render_issue(issue, gone=stand_in)

    def for_reader(gone: str) -> Rendered:
        return Rendered(
            subject=made.subject, text=made.text.replace(stand_in, gone), html=made.html.replace(stand_in, gone)
        )

    return for_reader


def send_issue(issue: Issue, reader: Subscriber, *, render: Callable[[str], Rendered], at: datetime) -> OutgoingMail:
    """One reader's mail, into the outbox. Raises NotAnAddress."""
    gone = unsubscribe_url(reader.pk)
    rendered = render(gone)
    return queue_mail(
        to_address=reader.email,
        to_name="",
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        at=at,
        kind=ISSUE,
        key=f"tips-issue:{issue.pk}:{reader.pk}",
        about=f"tips:{issue.pk}",
        unsubscribe_url=gone,
        list_id=list_id(),
        bulk=True,
    )


def send_test(issue: Issue, *, email: str, name: str, key: str, at: datetime) -> OutgoingMail:
    """The issue as its readers will get it, to the admin who asks. Its last line ends nothing."""
    rendered = render_issue(issue, gone=unsubscribe_page())
    return queue_mail(
        to_address=email,
        to_name=name,
        subject=_("Test: %(subject)s") % {"subject": rendered.subject},
        text=rendered.text,
        html=rendered.html,
        at=at,
        kind="tips_test",
        key=f"tips-test:{key}",
        about=f"tips:{issue.pk}",
        list_id=list_id(),
    )
