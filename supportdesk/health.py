"""One address that says whether the web process and its database are well."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest, HttpResponseRedirect, JsonResponse
from django.templatetags.static import static

from supportdesk import clock
from supportdesk.mail.status import mail_status


def healthz(request: HttpRequest) -> JsonResponse:
    """200 with ``{"ok": true}`` where the database answers; Django's 500 where it does not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"ok": True})


def mail_health(request: HttpRequest) -> JsonResponse:
    """For monitoring: 200 whether mail is well or not, with how long the oldest has waited and how many ways fail.

    Apart from ``healthz``: a desk whose mail server is down still serves its pages. Anybody may ask, so it
    says nothing of how many mails there are, or whose.
    """
    status = mail_status(at=clock.now())
    return JsonResponse(
        {
            "ok": status.well,
            "out_oldest_seconds": status.seconds(status.out_oldest),
            "in_oldest_seconds": status.seconds(status.in_oldest),
            "ways_failing": sum(door.is_trouble for door in status.doors),
        }
    )


def favicon(request: HttpRequest) -> HttpResponseRedirect:
    """Where browsers look for an icon by themselves, as on the pages of Django admin."""
    return HttpResponseRedirect(static("icon.svg"))


favicon.door = "anyone"  # type: ignore[attr-defined]
healthz.door = "anyone"  # type: ignore[attr-defined]
mail_health.door = "anyone"  # type: ignore[attr-defined]
