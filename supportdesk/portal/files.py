"""Files, and mails as they were written, in the portal (D31)."""

from __future__ import annotations

from django.views.decorators.http import require_GET, require_POST

from incidents import file_pages, mail_pages
from supportdesk.people.doors import door

upload = door("contact")(require_POST(file_pages.upload))
remove = door("contact")(require_POST(file_pages.remove))
download = door("contact")(require_GET(file_pages.download))
as_written = door("contact")(require_GET(mail_pages.as_written))
