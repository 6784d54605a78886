"""One address that says whether the web process and its database are well."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest, JsonResponse


def healthz(request: HttpRequest) -> JsonResponse:
    """200 with ``{"ok": true}`` where the database answers; Django's 500 where it does not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"ok": True})


healthz.door = "anyone"  # type: ignore[attr-defined]
