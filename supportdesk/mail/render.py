"""A mail's templates made into its words: ``templates/mail/<name>.subject.txt``, ``.txt`` and ``.html``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import phonenumbers
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, engines
from django.template.backends.django import DjangoTemplates
from django.utils.safestring import SafeString, mark_safe

from supportdesk.mail.inline import inline
from supportdesk.mail.texts import one_line
from supportdesk.policy import POLICY

SUBJECT_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The words of a mail, as ``queue_mail`` takes them."""

    subject: str
    text: str
    html: str


@cache
def _style() -> SafeString:
    """``mail.css``, our own file, for the style element that mail programs want inside the mail."""
    found = finders.find("mail.css")
    if found is None:
        raise ImproperlyConfigured("static/mail.css is missing: no mail can be written without it.")
    return mark_safe(Path(found).read_text(encoding="utf-8"))  # noqa: S308


@cache
def _phone() -> str:
    number = phonenumbers.parse(POLICY.phone_number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A mail as a page shows it before it is sent: its body without a style of its own."""

    subject: str
    body: SafeString


def preview_mail(name: str, context: Mapping[str, Any]) -> Seen:
    """What ``render_mail`` would make, for a page that has its own style."""
    values = _values(name, context)
    html = _render(f"mail/{name}.html", values, escape=True)
    body = html.partition('<main class="mail">')[2].rpartition("</main>")[0]
    return Seen(subject=values["subject"], body=mark_safe(body))  # noqa: S308  # a part of what was rendered escaped


def render_mail(name: str, context: Mapping[str, Any]) -> Rendered:
    """The mail ``name`` in the language that is active: subject on one line, plain text, HTML.

    Every template also gets ``desk_name``, ``base_url``, ``phone`` and ``policy``; the text and HTML get
    ``subject``. What is put in is escaped in the HTML, and stays as it is in the text.
    """
    values = _values(name, context)
    style = _style()
    return Rendered(
        subject=values["subject"],
        text=_render(f"mail/{name}.txt", values, escape=False).strip() + "\n",
        html=inline(_render(f"mail/{name}.html", values | {"mail_style": style}, escape=True), style),
    )


def _values(name: str, context: Mapping[str, Any]) -> dict[str, Any]:
    common = {
        "desk_name": settings.DESK_NAME,
        "base_url": settings.BASE_URL,
        "phone": _phone(),
        "policy": POLICY,
    }
    values: dict[str, Any] = {**common, **context}
    values["subject"] = one_line(_render(f"mail/{name}.subject.txt", values, escape=False), SUBJECT_MAX)
    return values


def _render(template: str, values: dict[str, Any], *, escape: bool) -> str:
    backend = engines["django"]
    assert isinstance(backend, DjangoTemplates)
    return backend.engine.get_template(template).render(Context(values, autoescape=escape))
