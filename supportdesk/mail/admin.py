"""Mail for the operator, in Django admin: how it is doing, what failed, what came in, and once more (D29, D30)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from supportdesk import clock
from supportdesk.looking import LookOnly
from supportdesk.mail.incoming import file_again
from supportdesk.mail.models import MailDoor, OutgoingMail, RawMail
from supportdesk.mail.outgoing import retry_all
from supportdesk.mail.restored import leave_aside
from supportdesk.mail.status import mail_status

SHOWN = 20


class _State(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"
    filters: ClassVar[dict[str, dict[str, bool]]] = {
        "waiting": {"sent_at__isnull": True, "failed_at__isnull": True},
        "failed": {"failed_at__isnull": False},
        "sent": {"sent_at__isnull": False},
        "bounced": {"bounced_at__isnull": False, "failed_at__isnull": True},
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("waiting", _("waiting")), ("failed", _("failed")), ("sent", _("sent")), ("bounced", _("bounced"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutgoingMail]) -> QuerySet[OutgoingMail]:
        return queryset.filter(**self.filters.get(self.value() or "", {}))


def _again(page: LookOnly, request: HttpRequest, queryset: QuerySet[OutgoingMail]) -> None:
    """Tries mails again, and says how many."""
    again = retry_all(queryset, at=clock.now())
    words = ngettext("%(count)d mail is tried again.", "%(count)d mails are tried again.", again)
    page.message_user(request, words % {"count": again}, messages.SUCCESS if again else messages.WARNING)


@admin.register(OutgoingMail)
class OutgoingMailAdmin(LookOnly):
    list_display = ("kind", "to_address", "state", "queued_at", "next_try_at", "tries", "last_error", "bounce")
    list_filter = (_State, "kind")
    search_fields = ("to_address", "about", "message_id")
    actions = ("try_again",)

    @admin.display(description=_("state"))
    def state(self, mail: OutgoingMail) -> Any:
        if mail.failed_at:
            return _("failed")
        if mail.bounced_at:
            return _("bounced")
        return _("sent") if mail.sent_at else _("waiting")

    @admin.action(description=_("Try again now"))
    def try_again(self, request: HttpRequest, queryset: QuerySet[OutgoingMail]) -> None:
        _again(self, request, queryset)


@admin.register(RawMail)
class RawMailAdmin(LookOnly):
    list_display = ("received_at", "mail_from", "outcome", "reason", "deliveries", "tries", "last_error", "message_id")
    list_filter = ("outcome", "via")
    search_fields = ("mail_from", "message_id")
    exclude = ("source",)
    readonly_fields = ("show_source",)
    actions = ("file_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RawMail]:
        """Without the sources, of up to 25 MB each."""
        return super().get_queryset(request).defer("source")

    def get_urls(self) -> list[URLPattern]:
        own = path("<int:object_id>/source/", self.admin_site.admin_view(self.source_view), name="mail_rawmail_source")
        return [own, *super().get_urls()]

    def source_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The mail as it came, as a file: nothing of it runs here (D31)."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        raw = RawMail.objects.filter(pk=object_id).first() if object_id < 2**63 else None
        if raw is None:
            raise Http404
        return HttpResponse(
            bytes(raw.source),
            content_type="application/octet-stream",
            headers={
                "Content-Disposition": f'attachment; filename="mail-{raw.pk}.eml"',
                "Content-Security-Policy": "sandbox; default-src 'none'",
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "private, no-store",
            },
        )

    source_view.door = "admin"  # type: ignore[attr-defined]

    @admin.display(description=_("source"))
    def show_source(self, raw: RawMail) -> Any:
        where = reverse("admin:mail_rawmail_source", args=[raw.pk])
        return format_html('<a href="{}">{}</a>', where, _("Show source"))

    @admin.action(description=_("File again"))
    def file_again(self, request: HttpRequest, queryset: QuerySet[RawMail]) -> None:
        chosen = list(queryset.values_list("pk", flat=True))
        again = file_again(raw_ids=chosen, at=clock.now())
        words = ngettext("%(count)d mail is filed again.", "%(count)d mails are filed again.", again)
        self.message_user(request, words % {"count": again}, messages.SUCCESS if again else messages.WARNING)
        if rest := len(chosen) - again:
            words = ngettext(
                "%(count)d mail belongs somewhere already, and stays there.",
                "%(count)d mails belong somewhere already, and stay there.",
                rest,
            )
            self.message_user(request, words % {"count": rest}, messages.WARNING)


@admin.register(MailDoor)
class MailDoorAdmin(LookOnly):
    """The page "Mail": the outbox, what came in, each way, and what failed with a button to try it again (D30)."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Shows how mail is doing; by POST tries failed mails again: those that are ticked, or all.

        Or it leaves what a restore put aside as it is.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        failed = OutgoingMail.objects.filter(failed_at__isnull=False).order_by("-failed_at", "-pk")
        if request.method == "POST":
            ticked = [int(pk) for pk in request.POST.getlist("mail") if pk.isascii() and pk.isdigit() and len(pk) < 19]
            if "leave" in request.POST:
                words = ngettext(
                    "%(count)d mail is left as it is.", "%(count)d mails are left as they are.", left := leave_aside()
                )
                self.message_user(request, words % {"count": left}, messages.SUCCESS)
            else:
                _again(self, request, failed if "all" in request.POST else failed.filter(pk__in=ticked))
            return HttpResponseRedirect(reverse("admin:mail_maildoor_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Mail"),
            "opts": self.opts,
            "status": mail_status(at=clock.now()),
            "failed": failed[:SHOWN],
            "slow": RawMail.objects.filter(outcome="").defer("source").order_by("received_at")[:SHOWN],
        }
        return TemplateResponse(request, "admin/mail/status.html", context)

    changelist_view.door = "admin"  # type: ignore[attr-defined]
