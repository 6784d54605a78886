"""One address that says whether the web process and its database are well."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest, HttpResponseRedirect, JsonResponse
from django.templatetags.static import static


def healthz(request: HttpRequest) -> JsonResponse:
    """200 with ``{"ok": true}`` where the database answers; Django's 500 where it does not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"ok": True})


def favicon(request: HttpRequest) -> HttpResponseRedirect:
    """Where browsers look for an icon by themselves, as on the pages of Django admin."""
    return HttpResponseRedirect(static("icon.svg"))


favicon.door = "anyone"  # type: ignore[attr-defined]
healthz.door = "anyone"  # type: ignore[attr-defined]
