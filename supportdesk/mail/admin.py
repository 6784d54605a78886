"""The outbox and the mail that came in, in Django admin: to look at, and to try again what failed (D30)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from supportdesk import clock
from supportdesk.looking import LookOnly
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.mail.outgoing import retry


class _State(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"
    filters: ClassVar[dict[str, dict[str, bool]]] = {
        "waiting": {"sent_at__isnull": True, "failed_at__isnull": True},
        "failed": {"failed_at__isnull": False},
        "sent": {"sent_at__isnull": False},
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("waiting", _("waiting")), ("failed", _("failed")), ("sent", _("sent"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutgoingMail]) -> QuerySet[OutgoingMail]:
        return queryset.filter(**self.filters.get(self.value() or "", {}))


@admin.register(OutgoingMail)
class OutgoingMailAdmin(LookOnly):
    list_display = ("kind", "to_address", "state", "queued_at", "next_try_at", "tries", "last_error")
    list_filter = (_State, "kind")
    search_fields = ("to_address", "about", "message_id")
    actions = ("try_again",)

    @admin.display(description=_("state"))
    def state(self, mail: OutgoingMail) -> Any:
        if mail.sent_at:
            return _("sent")
        return _("failed") if mail.failed_at else _("waiting")

    @admin.action(description=_("Try again now"))
    def try_again(self, request: HttpRequest, queryset: QuerySet[OutgoingMail]) -> None:
        at = clock.now()
        again = sum(retry(mail_id=pk, at=at) for pk in queryset.values_list("pk", flat=True))
        words = ngettext("%(count)d mail is tried again.", "%(count)d mails are tried again.", again)
        self.message_user(request, words % {"count": again}, messages.SUCCESS if again else messages.WARNING)


@admin.register(RawMail)
class RawMailAdmin(LookOnly):
    list_display = ("received_at", "mail_from", "message_id", "outcome", "reason", "deliveries", "tries", "last_error")
    list_filter = ("outcome", "via")
    search_fields = ("mail_from", "message_id")
    exclude = ("source",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RawMail]:
        """Without the sources, of up to 25 MB each."""
        return super().get_queryset(request).defer("source")
