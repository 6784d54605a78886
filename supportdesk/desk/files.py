"""Files and mails as they came in, on the desk (D29, D31)."""

from __future__ import annotations

from django.views.decorators.http import require_GET, require_POST

from incidents import file_pages, mail_pages
from supportdesk.people.doors import door

upload = door("technician")(require_POST(file_pages.upload))
remove = door("technician")(require_POST(file_pages.remove))
download = door("technician")(require_GET(file_pages.download))
as_written = door("technician")(require_GET(mail_pages.as_written))
original = door("technician")(require_GET(mail_pages.original))
download_original = door("technician")(require_GET(mail_pages.download_original))
