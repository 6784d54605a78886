"""A visitor without a browser: cookies, pages, forms. For the check that walks through a running desk."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any
from uuid import uuid4

from lxml import html

SECONDS = 30


class Unexpected(Exception):
    """A page is not what it should be; the text says what was seen."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was answered: its status, its address after redirects, its tree."""

    status: int
    url: str
    tree: Any

    @property
    def text(self) -> str:
        """The words of the main part, white space folded."""
        main = self.tree.xpath("//main") or [self.tree]
        return " ".join(str(main[0].text_content()).split())

    def first(self, path: str) -> Any:
        """The first element of an XPath, or Unexpected."""
        found = self.tree.xpath(path)
        if not found:
            raise Unexpected(f"{self.url} ({self.status}) has no {path}: {self.text[:300]}")
        return found[0]

    def form(self, ending: str) -> Any:
        """The form whose address ends so; an empty ending is a form that sends to its own page."""
        return self.first(f"//form[{_ends('@action', ending)}]" if ending else "//main//form[@method='post']")

    def errors(self) -> list[str]:
        """What the page says is wrong."""
        found = self.tree.xpath("//*[contains(@class, 'error')] | //*[@role='alert']")
        return [" ".join(str(one.text_content()).split()) for one in found]


@dataclass(frozen=True, slots=True)
class File:
    """A file that goes with a form."""

    name: str
    body: bytes


def _multipart(values: Mapping[str, str], files: Mapping[str, File]) -> tuple[str, bytes]:
    boundary = f"form-{uuid4().hex}"
    start = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    parts = [f'{start}{name}"\r\n\r\n{value}\r\n'.encode() for name, value in values.items()]
    for name, file in files.items():
        kind = "Content-Type: application/octet-stream"
        parts.append(f'{start}{name}"; filename="{file.name}"\r\n{kind}\r\n\r\n'.encode() + file.body + b"\r\n")
    return f"multipart/form-data; boundary={boundary}", b"".join(parts) + f"--{boundary}--\r\n".encode()


def _ends(value: str, ending: str) -> str:
    return f"substring({value}, string-length({value}) - {len(ending) - 1}) = '{ending}'"


class Visitor:
    """One person with cookies of their own."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._open: Callable[..., Any] = opener.open

    def get(self, path: str) -> Page:
        """The page at an address of the desk."""
        return self._page(urllib.request.Request(urllib.parse.urljoin(self.base_url, path)))  # noqa: S310 our own

    def send(self, page: Page, ending: str, **fields: str | File) -> Page:
        """Fills in the form whose address ends so, and sends it; what is not given stays as the page has it."""
        form = page.form(ending)
        values: dict[str, str] = {name: value for name, value in form.form_values() if isinstance(value, str)}
        unknown = set(fields) - set(form.fields.keys())
        if unknown:
            raise Unexpected(f"{page.url} has no fields {sorted(unknown)}")
        files = {name: field for name, field in fields.items() if isinstance(field, File)}
        values |= {name: field for name, field in fields.items() if isinstance(field, str)}
        url = urllib.parse.urljoin(page.url, form.action or "")
        headers = {"Referer": page.url}
        if files:
            headers["Content-Type"], data = _multipart(values, files)
        else:
            data = urllib.parse.urlencode(values).encode()
        return self._page(urllib.request.Request(url, data=data, headers=headers))  # noqa: S310 our own

    def _page(self, request: urllib.request.Request) -> Page:
        try:
            answer = self._open(request, timeout=SECONDS)
        except urllib.error.HTTPError as refusal:
            answer = refusal
        with answer:
            source = answer.read()
            tree = html.fromstring(source or b"<html></html>")
            return Page(answer.status, answer.url, tree)
