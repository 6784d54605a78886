"""Files on the desk (D31)."""

from __future__ import annotations

from django.views.decorators.http import require_GET, require_POST

from incidents import file_pages
from supportdesk.people.doors import door

upload = door("technician")(require_POST(file_pages.upload))
remove = door("technician")(require_POST(file_pages.remove))
download = door("technician")(require_GET(file_pages.download))
