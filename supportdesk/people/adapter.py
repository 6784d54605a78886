"""Where django-allauth meets the desk: its mails go through the outbox, and nobody signs up by themselves yet."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from supportdesk.people.scope import scope_of


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-in by mailed code or password (D33). ``send_mail`` ends in the outbox, by the e-mail backend (D30)."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        scope = scope_of(request.user)
        return "/desk/" if scope.desk else "/"

    def format_email_subject(self, subject: str) -> str:
        return subject

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the page that follows shows that it worked."""

    def populate_username(self, request: HttpRequest, user: Any) -> None:
        """Users have no username: the e-mail address is the name they sign in with."""
