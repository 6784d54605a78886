"""The project's addresses, and two more: a view that nobody gave a door to, and one that has one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from supportdesk.people.doors import DeskRequest, door
from supportdesk.urls import urlpatterns as desk


def forgotten(request: HttpRequest) -> HttpResponse:
    return HttpResponse("CANARY")


@door("technician")
def shut(request: DeskRequest) -> HttpResponse:
    return HttpResponse(f"CANARY {request.at.isoformat()} {request.scope.desk}")


urlpatterns = [path("forgotten/", forgotten), path("shut/", shut), *desk]
