"""Signing in by a link that was mailed (D25)."""

from __future__ import annotations

from django.contrib.auth import login
from django.http import HttpRequest

from supportdesk.people.models import Contact, User
from supportdesk.people.services import keep_sign_in

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def may_sign_in_by_link(user: User) -> bool:
    """Whether a link alone signs ``user`` in: not staff, and nobody who was shut out (D25, D33).

    Second factors are not built yet (D33); whoever has one will be refused here, for the link opens one report only.
    """
    return user.is_active and not user.works_here


def sign_in_by_link(request: HttpRequest, *, contact: Contact) -> bool:
    """Signs in the user of a contact's present address, with a new session, and says whether it did (D25)."""
    keep_sign_in(contact=contact)
    user = contact.user
    if user is None or not may_sign_in_by_link(user):
        return False
    if request.user != user:
        login(request, user, backend=BACKEND)
    return True
