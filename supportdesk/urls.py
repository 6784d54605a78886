"""Every address of the desk. A view without a door is shut (``supportdesk.people.doors``)."""

from __future__ import annotations

from allauth.account import views as account
from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from supportdesk.health import favicon, healthz, mail_health

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.site_header = f"{settings.DESK_NAME} support"
admin.site.site_title = settings.DESK_NAME

# Of django-allauth only what signs people in; accounts are made by an admin (D33).
accounts = [
    path("sign-in/", account.login, name="account_login"),
    path("sign-out/", account.logout, name="account_logout"),
    path("sign-in/code/", account.request_login_code, name="account_request_login_code"),
    path("sign-in/code/confirm/", account.confirm_login_code, name="account_confirm_login_code"),
    path("sign-up/", account.signup, name="account_signup"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("again/", account.reauthenticate, name="account_reauthenticate"),
    path("password/reset/", account.password_reset, name="account_reset_password"),
    path("password/reset/done/", account.password_reset_done, name="account_reset_password_done"),
    # Not a path: its converters would split "4j-abc-def" at the last dash, the key begins at the first.
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[^/]+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("password/reset/key/done/", account.password_reset_from_key_done, name="account_reset_password_from_key_done"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("healthz/mail", mail_health, name="mail_health"),
    path("favicon.ico", favicon, name="favicon"),
    path("accounts/", include(accounts)),
    path("admin/", admin.site.urls),
    path("api/", include("supportdesk.api.urls")),
    path("desk/", include("supportdesk.desk.urls")),
    path("tips/", include("supportdesk.tips.urls")),
    path("", include("supportdesk.portal.urls")),
]
if settings.DEMO:
    urlpatterns.insert(0, path("demo/", include("supportdesk.demo.urls")))
