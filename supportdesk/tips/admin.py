"""Issues and readers of the tips in Django admin: what an issue says is a form, sending it a page (R15)."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.clickjacking import xframe_options_sameorigin

from supportdesk import clock
from supportdesk.looking import LookOnly
from supportdesk.mail.outgoing import NotAnAddress
from supportdesk.people.doors import DeskRequest, signed_in
from supportdesk.people.scope import scope_of
from supportdesk.tips import issues, mails, queries
from supportdesk.tips.access import sample
from supportdesk.tips.forms import IssueForm
from supportdesk.tips.models import Issue, Subscriber
from supportdesk.tips.quarters import Act, State, quarter_of
from supportdesk.tips.services import unsubscribe

PAGE: Final = "admin:tips_issue_page"
# What a mail's HTML may do in its frame: look as it was written, and nothing else.
FRAME_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
STATES: Final = {
    State.DRAFT: gettext_lazy("draft"),
    State.PUBLISHED: gettext_lazy("published, not sent"),
    State.SENDING: gettext_lazy("being sent"),
    State.PAUSED: gettext_lazy("paused"),
    State.CANCELLED: gettext_lazy("cancelled"),
    State.SENT: gettext_lazy("sent"),
}


@admin.register(Issue)
class IssueAdmin(admin.ModelAdmin[Issue]):
    """Issues: written here, looked at and sent on a page of their own."""

    form = IssueForm
    list_display = ("page_link", "year", "quarter", "state", "readers", "started_at", "is_sample")
    list_display_links = None
    list_filter = ("year", "is_sample")
    search_fields = ("title",)
    actions = None

    @admin.display(description=gettext_lazy("title"), ordering="title")
    def page_link(self, issue: Issue) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse(PAGE, args=[issue.pk]), issue.title)

    @admin.display(description=gettext_lazy("state"))
    def state(self, issue: Issue) -> Any:
        return STATES[issue.state]

    def has_change_permission(self, request: HttpRequest, obj: Issue | None = None) -> bool:
        """What is being sent can no longer be edited."""
        return super().has_change_permission(request, obj) and (obj is None or obj.allows(Act.EDIT))

    def has_delete_permission(self, request: HttpRequest, obj: Issue | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.allows(Act.EDIT))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        now = quarter_of(clock.now().date())
        return {"year": now.year, "quarter": now.number}

    def save_model(self, request: HttpRequest, obj: Issue, form: Any, change: bool) -> None:
        """What was typed alone. Raises NotNow: somebody may have begun to send it since the form looked."""
        said = {name: form.cleaned_data[name] for name in ("title", "year", "quarter", "text")}
        obj.pk = issues.write_issue(issue_id=obj.pk, **said).pk

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The form; one that was open while the issue was begun to be sent says so, and keeps what was typed."""
        if request.method == "POST" and object_id is not None:
            issue = self.get_object(request, unquote(object_id))
            if issue is not None and super().has_change_permission(request, issue) and not issue.allows(Act.EDIT):
                return self._too_late(request, issue)
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except issues.NotNow as refused:
            return self._too_late(request, refused.issue)

    def _too_late(self, request: Any, issue: Issue) -> HttpResponse:
        request.scope, request.at = scope_of(request.user), clock.now()
        context = {"view": "tips", "issue": issue, "state_word": STATES[issue.state], "typed": request.POST}
        return render(request, "admin/tips/issue/too_late.html", context, status=422)

    def response_add(self, request: HttpRequest, obj: Issue, post_url_continue: Any = None) -> HttpResponse:
        return redirect(PAGE, obj.pk) if "_save" in request.POST else super().response_add(request, obj)

    def response_change(self, request: HttpRequest, obj: Issue) -> HttpResponse:
        return redirect(PAGE, obj.pk) if "_save" in request.POST else super().response_change(request, obj)

    def get_urls(self) -> list[URLPattern]:
        page, mail = self.admin_site.admin_view(self.page), self.admin_site.admin_view(self.mail)
        own = [
            path("<int:object_id>/page/", page, name="tips_issue_page"),
            path("<int:object_id>/mail/", mail, name="tips_issue_mail"),
        ]
        return [*own, *super().get_urls()]

    def _issue(self, request: DeskRequest, object_id: int) -> Issue:
        request.scope, request.at = scope_of(request.user), clock.now()
        if not request.scope.admin:
            raise PermissionDenied
        issue = Issue.objects.select_related("started_by").filter(pk=object_id).first()
        if issue is None:
            raise Http404
        return issue

    def mail(self, request: DeskRequest, object_id: int) -> HttpResponse:
        """The HTML of the mail, exactly as it is sent, for its frame."""
        issue = self._issue(request, object_id)
        made = mails.render_issue(issue, gone=mails.unsubscribe_page())
        response = xframe_options_sameorigin(lambda _request: HttpResponse(made.html))(request)
        response["Content-Security-Policy"] = FRAME_POLICY
        response["Referrer-Policy"] = "no-referrer"
        assert isinstance(response, HttpResponse)
        return response

    def page(self, request: DeskRequest, object_id: int) -> HttpResponse:
        """One issue: how it reads as a mail, how far it has come, and its buttons."""
        issue = self._issue(request, object_id)
        if request.method != "POST":
            return self._page(request, issue)
        asks = request.POST.get("do") == "ask"
        if asks and issue.allows(Act.START):
            return self._page(request, issue, asked=True)
        try:
            said = self._do(request, issue)
        except issues.NotNow as refused:
            said = _("It is %(state)s by now. Nothing was changed.") % {"state": STATES[refused.issue.state]}
            messages.info(request, said, extra_tags="soon")
        except NotAnAddress:
            messages.info(request, _("Your own address takes no mail. Nothing was sent."), extra_tags="soon")
        except issues.OtherReaders as changed:
            said = _("There are %(n)d readers by now. Nothing was sent yet.") % {"n": changed.count}
            return self._page(request, issue, asked=True, refused=said, status=422)
        except issues.SecondThisQuarter as second:
            said = _("“%(title)s” was sent in the same quarter. Tick that a second one is meant.")
            return self._page(request, issue, asked=True, refused=said % {"title": second.other.title}, status=422)
        else:
            messages.info(request, said, extra_tags="calm")
        return redirect(PAGE, issue.pk)

    # Inside Django admin's own guard, which sends anybody but admins to its sign-in page.
    page.door = mail.door = "admin"  # type: ignore[attr-defined]

    def _do(self, request: DeskRequest, issue: Issue) -> str:
        """Does what the button says, keeps it in the admin's history, and gives the words for it."""
        pk, at, user, asked = issue.pk, request.at, signed_in(request), request.POST
        match asked.get("do"):
            case "test":
                issues.send_test(issue_id=pk, user=user, at=at, key=f"{pk}:{user.pk}:{asked.get('key', '')[:64]}")
                return _("A test is on its way to %(email)s.") % {"email": user.email}
            case "sample":
                issues.show_as_sample(issue_id=pk, at=at)
                said = _("Everybody can read it as the sample now.")
            case "start":
                shown = asked.get("shown", "")
                begun = issues.start(
                    issue_id=pk,
                    shown=int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 10 else -1,
                    second="second" in asked,
                    user=user,
                    at=at,
                )
                words = ngettext("It goes to %(n)d reader.", "It goes to %(n)d readers.", begun.readers)
                said = words % {"n": begun.readers}
            case "pause":
                issues.pause(issue_id=pk, at=at)
                said = _("It pauses. What is in the outbox already still goes out.")
            case "go_on":
                issues.go_on(issue_id=pk, at=at)
                said = _("It goes on where it was.")
            case "cancel":
                issues.cancel(issue_id=pk, at=at)
                said = _("It is cancelled for all who have not got it.")
            case _other:
                raise issues.NotNow(issue)
        self.log_change(request, issue, said)
        return said

    def _page(
        self, request: DeskRequest, issue: Issue, *, asked: bool = False, refused: str = "", status: int = 200
    ) -> HttpResponse:
        made = mails.render_issue(issue, gone=mails.unsubscribe_page())
        begun = issue.started_at is not None
        context = {
            "view": "tips",
            "issue": issue,
            "state": issue.state.value,
            "state_word": STATES[issue.state],
            "may": {act.value: issue.allows(act) for act in Act},
            "mail": made,
            "sample": sample(),
            "progress": queries.progress(issue) if begun else None,
            "failures": queries.failures(issue) if begun else [],
            "reader_count": 0 if begun else queries.reader_count(),
            "last": None if begun else issues.last_sent(issue),
            "second": None if begun else issues.sent_this_quarter(issue, at=request.at),
            "asked": asked,
            "refused": refused,
            "key": uuid4().hex,
        }
        return render(request, "admin/tips/issue/page.html", context, status=status)


class Reading(admin.SimpleListFilter):
    """Whether they get the tips, and if not, why."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("reading", gettext_lazy("get the tips")),
            ("unsubscribed", gettext_lazy("unsubscribed")),
            ("bounced", gettext_lazy("bounced")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> QuerySet[Subscriber]:
        filters: dict[str, dict[str, Any]] = {
            "reading": {"unsubscribed_at": None, "bounced_at": None},
            "unsubscribed": {"unsubscribed_at__isnull": False},
            "bounced": {"bounced_at__isnull": False},
        }
        return queryset.filter(**filters.get(self.value() or "", {}))


@admin.register(Subscriber)
class SubscriberAdmin(LookOnly):
    """Who gets the tips, since when and by which proof. Nobody is subscribed by somebody else."""

    list_display = ("email", "confirmed_at", "unsubscribed_at", "bounced_at")
    list_filter = (Reading,)
    search_fields = ("email",)
    actions = ("end",)

    @admin.action(description=gettext_lazy("Unsubscribe, for those who asked another way"))
    def end(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> None:
        at = clock.now()
        ended = sum(unsubscribe(subscriber_id=pk, at=at) for pk in queryset.values_list("pk", flat=True))
        words = ngettext("%(n)d reader is unsubscribed.", "%(n)d readers are unsubscribed.", ended)
        self.message_user(request, words % {"n": ended})
