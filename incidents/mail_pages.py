"""A mail as it was written, in a frame that lets nothing run and nothing load; and its original, for the desk (D31)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from incidents.access import mails_in_for, originals_for, written_for
from incidents.models import Attachment
from incidents.originals import original_of
from incidents.services.files import place_of
from supportdesk.mail.clean_html import references
from supportdesk.mail.html_quotes import fold_html
from supportdesk.mail.shown_html import FRAME_POLICY, Words, data_address, page_of
from supportdesk.people.doors import DeskRequest
from supportdesk.policy import POLICY

log = logging.getLogger(__name__)

DOWNLOAD_POLICY: Final = "default-src 'none'; sandbox"


def as_written(request: DeskRequest, pk: int) -> HttpResponse:
    """The HTML of a message's mail for its frame, with the pictures that came with it; 404 for anything else (D22)."""
    message = get_object_or_404(written_for(request.scope), pk=pk)
    words = Words(
        title=_("The mail as it was written"),
        elsewhere=_("A picture from elsewhere, not loaded."),
        missing=_("A picture that cannot be shown here."),
    )
    html = fold_html(message.html, quoted_word=_("Quoted"), signature_word=_("Signature"))
    shown = frozenset(references(message.html))
    files = [file for file in message.files.all() if file.content_id in shown]
    page = page_of(html, pictures=_pictures(files), words=words, language=get_language() or "en")
    return HttpResponse(
        page,
        content_type="text/html; charset=utf-8",
        headers={
            "Content-Security-Policy": FRAME_POLICY,
            "X-Frame-Options": "SAMEORIGIN",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
        },
    )


def original(request: DeskRequest, pk: int) -> HttpResponse:
    """A mail as it came in: its headers, its parts, what the desk made of it, its source (D29)."""
    raw = get_object_or_404(originals_for(request.scope), pk=pk)
    context = {"raw": raw, "original": original_of(raw), **mails_in_for(request.scope, raw)}
    return render(request, "desk/original.html", context)


def download_original(request: DeskRequest, pk: int) -> HttpResponse:
    """The source of a mail, byte for byte, for a mail program (D29)."""
    raw = get_object_or_404(originals_for(request.scope), pk=pk)
    return HttpResponse(
        bytes(raw.source),
        content_type="application/octet-stream",
        headers={
            "Content-Disposition": f'attachment; filename="mail-{raw.pk}.eml"',
            "Content-Security-Policy": DOWNLOAD_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        },
    )


def _pictures(files: Iterable[Attachment]) -> dict[str, str]:
    """The pictures as they stand in the page, by content id: real ones alone, as many bytes as are allowed."""
    found: dict[str, str] = {}
    room = POLICY.shown_pictures_bytes_max
    for file in files:
        if not file.picture or file.size > room or file.content_id in found:
            continue
        try:
            found[file.content_id] = data_address(file.picture, place_of(file.stored).read_bytes())
        except FileNotFoundError:
            log.error("the bytes of file %s are not there", file.pk)
            continue
        room -= file.size
    return found
