"""Uploading, removing and downloading a file: one page each, for the desk and the portal, behind the door of each.

A download never runs in the desk's origin: it is an attachment without a type, in a sandbox. Only a picture, by its
content, is shown in place where it is asked for (D31).
"""

from __future__ import annotations

import logging

from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from incidents.access import attachments_for
from incidents.forms_files import say_why
from incidents.services.files import FileRefused, FileTooLarge, drop_upload, keep_upload, place_of
from incidents.uploads import clean_name
from supportdesk.markup import reference
from supportdesk.people.doors import DeskRequest, signed_in
from supportdesk.uploads import was_stopped

log = logging.getLogger(__name__)


def upload(request: DeskRequest) -> HttpResponse:
    """Keeps one file until it is sent with something; gives its token, or why it was not taken."""
    sent = request.FILES.get("file")
    try:
        if was_stopped(request):
            raise FileTooLarge(clean_name(request.POST.get("name", "")))
        if sent is None:
            return JsonResponse({"error": _("No file came. Pick it again.")}, status=422)
        kept = keep_upload(name=sent.name or "", chunks=sent.chunks(), at=request.at, user=signed_in(request))
    except FileRefused as refusal:
        return JsonResponse({"error": say_why(refusal)}, status=422)
    return JsonResponse(
        {
            "token": kept.token,
            "name": kept.name,
            "size": kept.size,
            "picture": kept.picture,
            "pk": kept.pk,
            "reference": reference(kept.digest),
        }
    )


def remove(request: DeskRequest) -> HttpResponse:
    """Removes an upload of one's own that was sent with nothing; what is not there is gone already."""
    drop_upload(token=request.POST.get("token", ""), user=signed_in(request))
    return HttpResponse(status=204)


def download(request: DeskRequest, pk: int) -> HttpResponseBase:
    """One file that the reader may see; 404 for anything else (D22, D31)."""
    found = get_object_or_404(attachments_for(request.scope, at=request.at), pk=pk)
    shown = bool(found.picture) and "show" in request.GET
    try:
        body = place_of(found.stored).open("rb")
    except FileNotFoundError as missing:
        log.error("the bytes of file %s are not there", found.pk)
        raise Http404 from missing
    return FileResponse(
        body,
        as_attachment=not shown,
        filename=found.name,
        content_type=f"image/{found.picture}" if shown else "application/octet-stream",
        headers={
            "Content-Length": str(found.size),
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        },
    )
