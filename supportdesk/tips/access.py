"""What pages may know: readers of their own address alone, issues once they are published (R15, D22)."""

from __future__ import annotations

import hashlib

from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import HttpRequest

from supportdesk.mail.outgoing import spellings
from supportdesk.people.models import User
from supportdesk.tips.models import Asked, Delivery, Issue, Subscriber

# Its server refused an issue for good, or a delivery report came, since the reader confirmed (D28).
# What was only given up after days of trouble says nothing of the address.
BOUNCED = Q(mail__bounced_at__gt=F("subscriber__confirmed_at")) | Q(
    mail__failed_at__gt=F("subscriber__confirmed_at"), mail__failed_at__lt=F("mail__give_up_at")
)


def digest_of(token: str) -> str:
    """What is kept of a link's token, and looked for."""
    return hashlib.sha256(token.encode()).hexdigest()


def sample() -> Issue | None:
    """The issue that anybody may read before subscribing."""
    return Issue.objects.filter(is_sample=True).first()


def asked_of(digest: str) -> Asked | None:
    """What was asked for, by the digest of its link's token."""
    return Asked.objects.filter(digest=digest).first()


def reader_at(email: str) -> Subscriber | None:
    """Who has that address, in any case and spelling of its domain, whether they read or not."""
    return Subscriber.objects.filter(email=spellings(email)[0]).first()


def own_address(request: HttpRequest) -> str:
    """The address that somebody signed in has proved to be theirs; empty without a proof.

    Proved by the code that was mailed there for this very sign-in, or once before.
    """
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return ""
    records = get_authentication_records(request, user)
    if user.email in (str(record.get("email", "")).lower() for record in records if record["method"] == "code"):
        return user.email
    proved = EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True)
    return user.email if proved.exists() else ""


def readers() -> QuerySet[Subscriber]:
    """Those whom an issue would go to now."""
    bounced = Delivery.objects.filter(BOUNCED, subscriber=OuterRef("pk"))
    return Subscriber.objects.reading().exclude(Exists(bounced))
