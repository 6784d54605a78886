"""The demo's pages alone."""

from django.urls import include, path

urlpatterns = [path("demo/", include("supportdesk.demo.urls"))]
