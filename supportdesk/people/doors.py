"""Doors: which view lets whom in. A view without a door is shut (D22).

A view gets its instant and its reader's scope from its door, so that it reads the clock once (D40).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Literal
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.http import url_has_allowed_host_and_scheme

from supportdesk import clock
from supportdesk.people.models import User
from supportdesk.people.scope import Scope, scope_of

Who = Literal["anyone", "contact", "technician"]

# Views that are not ours and guard themselves.
GUARDED_ELSEWHERE = (
    *("django.contrib.admin.", "django.contrib.auth.admin", "django.contrib.staticfiles."),
    *("allauth.", "django.views.i18n"),
)


class DeskRequest(HttpRequest):
    """A request that went through a door: whose it is, and when it came."""

    scope: Scope
    at: datetime


def signed_in(request: HttpRequest) -> User:
    """The user behind a door that lets no stranger in."""
    assert isinstance(request.user, User)
    return request.user


def keep_taken(request: HttpRequest, key: str) -> None:
    """Remembers the key of a form that was taken, so that the browser may forget the text it kept for it."""
    request.session["taken"] = [*request.session.get("taken", []), key][-5:]


def _to_sign_in(request: HttpRequest) -> HttpResponseBase:
    """The sign-in page, and from there back to a page that can be looked at.

    A part of a page that asks for itself makes the whole page go there.
    """
    back = request.get_full_path()
    if request.method != "GET":
        came_from = request.headers.get("Referer", "")
        here = url_has_allowed_host_and_scheme(came_from, {request.get_host()}, require_https=request.is_secure())
        back = urlsplit(came_from).path if here else "/"
    response = redirect_to_login(back or "/")
    if request.headers.get("HX-Request") != "true":
        return response
    return HttpResponse(status=204, headers={"HX-Redirect": response.url})


def door(who: Who) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Lets ``who`` through: a stranger signs in first, anybody else gets 404, as if nothing were there."""

    def wrap(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def guarded(request: DeskRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            request.scope = scope_of(request.user)
            if who != "anyone" and request.scope.user_id is None:
                return _to_sign_in(request)
            if (who == "contact" and not request.scope.memberships) or (who == "technician" and not request.scope.desk):
                raise Http404
            if who == "contact":
                request.scope = request.scope.as_contact()
            request.at = clock.now()
            response = view(request, *args, **kwargs)
            if request.scope.user_id is not None:
                response.headers.setdefault("Cache-Control", "private, no-store")
            return response

        guarded.door = who  # type: ignore[attr-defined]
        return guarded

    return wrap


class DoorMiddleware:
    """Refuses a view that has no door (deny by default)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., object], args: object, kwargs: object) -> None:
        if not hasattr(view, "door") and not view.__module__.startswith(GUARDED_ELSEWHERE):
            raise Http404
