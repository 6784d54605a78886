"""A page of the desk in place of Django admin's form of fields: one row, what is known of it, and its buttons."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpResponse

from supportdesk import clock
from supportdesk.looking import LookOnly
from supportdesk.people.doors import DeskRequest
from supportdesk.people.scope import scope_of


class PageAdmin(LookOnly):
    """A list that is only looked at, each row of which opens a page of the desk (D17, D22)."""

    def changeform_view(  # type: ignore[override]  # a page instead of a form
        self, request: DeskRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Lets admins in, with their scope and the request's one instant (D40)."""
        if object_id is None:
            raise PermissionDenied
        request.scope, request.at = scope_of(request.user), clock.now()
        if not request.scope.admin or not object_id.isascii() or not object_id.isdigit() or len(object_id) > 18:
            raise Http404
        row = self.row(request, int(object_id))
        if row is None:
            raise Http404
        return self.page(request, row)

    def row(self, request: DeskRequest, pk: int) -> Model | None:
        """The row of that number with all that its page needs, or None."""
        return self.get_queryset(request).filter(pk=pk).first()

    def page(self, request: DeskRequest, row: Any) -> HttpResponse:
        """The page of one row; also what its buttons do."""
        raise NotImplementedError
