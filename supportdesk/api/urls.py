"""Addresses for programs."""

from __future__ import annotations

from django.urls import path

from supportdesk.api import payments

app_name = "api"
urlpatterns = [
    path("payments/events/", payments.events, name="payment_events"),
]
