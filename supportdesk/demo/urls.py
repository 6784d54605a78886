"""The demo's own pages. Included only where ``DEMO`` is set."""

from __future__ import annotations

from django.urls import path

from supportdesk.demo import provider_views, views

app_name = "demo"
urlpatterns = [
    path("mailbox/", views.mailbox, name="mailbox"),
    path("mailbox/new/", views.new_mail, name="new_mail"),
    path("mailbox/<str:name>/", views.mail, name="mail"),
    path("mailbox/<str:name>/html/", views.mail_html, name="mail_html"),
    path("mailbox/<str:name>/files/<int:number>/", views.mail_file, name="mail_file"),
    path("mailbox/<str:name>/send/<str:verb>/", views.machine, name="machine"),
    path("provider/", provider_views.provider, name="provider"),
    path("provider/<str:verb>/", provider_views.provider_act, name="provider_act"),
]
