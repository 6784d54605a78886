"""django-helpdesk at the same job, run by an environment of its own: ``python rival_mail.py <asked.json``.

Makes tickets in a database of its own on the same server, then lets it take mails from a folder, as its command
does; prints how long it took and how many were added to their tickets. Imports nothing of the desk.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

ASKED: dict[str, Any] = json.load(sys.stdin)
urls = ModuleType("urls")
sys.modules["urls"] = urls

settings.configure(
    SECRET_KEY="bench",
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **ASKED["database"]}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.sites",
        "django.contrib.humanize",
        "django.contrib.messages",
        "helpdesk",
    ],
    ROOT_URLCONF="urls",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend",
    MEDIA_ROOT=tempfile.mkdtemp(),
    SITE_ID=1,
    USE_TZ=True,
    HELPDESK_TEAMS_MODE_ENABLED=False,
    LOGGING_CONFIG=None,
)
django.setup()
call_command("migrate", verbosity=0, interactive=False)

from django.urls import include, path  # noqa: E402
from helpdesk.email import process_queue  # noqa: E402
from helpdesk.models import FollowUp, Queue, Ticket  # noqa: E402

urls.urlpatterns = [path("helpdesk/", include("helpdesk.urls", namespace="helpdesk"))]  # type: ignore[attr-defined]
logger = logging.getLogger("bench")
logger.addHandler(logging.NullHandler())
logger.propagate = False


def main() -> None:
    queue = Queue.objects.create(title="Desk", slug="desk", allow_email_submission=True, email_box_type="local")
    found, made = [], 0
    for size, mails in ASKED["rounds"]:
        Ticket.objects.bulk_create(
            [
                Ticket(queue=queue, title=f"Number {n}", submitter_email=f"c{n % 100}@bench.example", status=1)
                for n in range(made, size)
            ],
            batch_size=2000,
        )
        made = size
        tickets = list(Ticket.objects.order_by("-pk")[: len(mails)])
        folder = Path(tempfile.mkdtemp())
        for number, (mail, ticket) in enumerate(zip(mails, tickets, strict=True)):
            named = mail.replace("SUBJECT", f"Re: [desk-{ticket.pk}] Number").replace("SENDER", ticket.submitter_email)
            (folder / f"{number:05d}.eml").write_text(named)
        queue.email_box_local_dir = str(folder)
        before, began, spent = FollowUp.objects.count(), time.perf_counter(), time.process_time()
        process_queue(queue, logger=logger)
        seconds = time.perf_counter() - began
        worked = time.process_time() - spent
        found.append({"seconds": seconds, "worked": worked, "added": FollowUp.objects.count() - before})
    json.dump(found, sys.stdout)


main()
