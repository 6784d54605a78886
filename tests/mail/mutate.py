"""Mails of the corpus, damaged and recombined as no program would; the same ones for the same seed."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

SIZE_MAX = 120_000
_CHARSETS = (
    *(b"utf-8", b"utf-16", b"utf-7", b"iso-2022-jp", b"gb18030", b"koi8-r", b"big5", b"hz", b"idna", b"x-foo", b"hex"),
    *(b"utf-32", b"cp037", b"unicode_escape", b"punycode", b"rot13", b"", b"a" * 300, b"utf-8\x00"),
)
_ENCODINGS = (b"base64", b"quoted-printable", b"x-uuencode", b"7bit", b"8bit", b"binary", b"", b"gzip")
_TYPES = (
    *(b"text/plain", b"text/html", b"multipart/mixed", b"multipart/alternative", b"multipart/report", b"text/calendar"),
    *(b"multipart/encrypted", b"multipart/digest", b"message/rfc822", b"application/pkcs7-mime", b"x", b"text/plain;;"),
)
_SENDERS = (
    *(b"olive@acme.example", b"Otto <otto@other.example>", b"rufus@acme.example", b"tess@desk.example", b""),
    *(b'"olive@acme.example" <x@strange.example>', b"olive@acme.example, otto@other.example", b"<olive@acme.example"),
    *(b"olive@acme.example <otto@other.example>", b"=?utf-8?q?olive=40acme.example?=", b"a: olive@acme.example;"),
    *(b"(otto@other.example) olive@acme.example", b"olive@acme.example\x00", b"olive@acme.example\rx@y.example"),
    *(b"olive@[acme.example]", b"olive @acme.example", b"<olive@acme.example> otto@other.example", b'"o"@acme.example'),
)
_TOKENS = (
    *(b"\x00", b"\r", b"\n", b"\r\n\r\n", b"=?utf-8?b?", b"?=", b"(", b'"', b"<", b">", b";", b"--", b"\xff\xfe", b"%"),
    *(b"\x1b$B", b"\xed\xa0\x80", b"begin 644 a\n", b"=\n", b"\\", b"<!--", b"<blockquote>", b"&#0;", b"&#xD800;"),
    *(b"-----BEGIN PGP SIGNED MESSAGE-----\n", b"-----BEGIN PGP MESSAGE-----\n", b"On a@b wrote:\n", b"> ", b"-- \n"),
    *(b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\x85", b"\x0c", b"Hi. This is the\n\n<a@b.example>:\nno\n\n--- \n"),
)
_HEADER = re.compile(rb"^[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE)
_CHARSET = re.compile(rb"charset=\"?[^\s;\"]*\"?", re.IGNORECASE)
_ENCODING = re.compile(rb"^content-transfer-encoding:[^\n]*", re.IGNORECASE | re.MULTILINE)
_TYPE = re.compile(rb"(?<=content-type: )[\w/.+-]+", re.IGNORECASE)
_FROM = re.compile(rb"^from:[^\n]*(?:\n[ \t][^\n]*)*", re.IGNORECASE | re.MULTILINE)
_BOUNDARY_LINE = re.compile(rb"^--[^\n]*\n", re.MULTILINE)


def mutated(seed: str, sources: list[bytes]) -> bytes:
    """One mail of ``sources``, changed in one to four ways, by the seed alone."""
    random = Random(seed)
    source = random.choice(sources)
    for _change in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        change: Callable[[Random, bytes, list[bytes]], bytes] = random.choice(_CHANGES)
        source = change(random, source, sources)[:SIZE_MAX]
    return source


def _flip(random: Random, source: bytes, _sources: list[bytes]) -> bytes:
    changed = bytearray(source)
    for _byte in range(random.randint(1, 8)):
        if changed:
            changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _cut(random: Random, source: bytes, _sources: list[bytes]) -> bytes:
    start, end = sorted(random.randint(0, len(source)) for _side in range(2))
    return source[:start] if random.random() < 0.5 else source[:start] + source[end:]


def _splice(random: Random, source: bytes, sources: list[bytes]) -> bytes:
    other = random.choice(sources)
    if random.random() < 0.5:  # the head of one, the body of the other
        return source.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + other.partition(b"\r\n\r\n")[2]
    return source[: random.randint(0, len(source))] + other[random.randint(0, len(other)) :]


def _double_header(random: Random, source: bytes, sources: list[bytes]) -> bytes:
    headers = [found[0] for found in _HEADER.finditer(random.choice([source, random.choice(sources)]))]
    places = [found.start() for found in _HEADER.finditer(source)]
    if not headers or not places:
        return source
    at = random.choice(places)
    return source[:at] + random.choice(headers) * random.choice((1, 1, 2, 50)) + source[at:]


def _break_boundary(random: Random, source: bytes, _sources: list[bytes]) -> bytes:
    lines = list(_BOUNDARY_LINE.finditer(source))
    if not lines:
        return source.replace(b"boundary=", b"boundry=")
    line = random.choice(lines)
    instead = random.choice((b"", line[0] * 2, b"--\r\n", line[0].rstrip() + b"--\r\n", line[0].rstrip() + b"x\r\n"))
    return source[: line.start()] + instead + source[line.end() :]


def _repeat(random: Random, source: bytes, _sources: list[bytes]) -> bytes:
    start = random.randint(0, len(source))
    piece = source[start : start + random.choice((1, 2, 10, 200))] or b"x"
    return source[:start] + piece * min(5_000, 40_000 // len(piece)) + source[start:]


def _insert(random: Random, source: bytes, _sources: list[bytes]) -> bytes:
    at = random.randint(0, len(source))
    return source[:at] + random.choice(_TOKENS) * random.choice((1, 1, 1, 3, 500)) + source[at:]


def _line_ends(random: Random, source: bytes, _sources: list[bytes]) -> bytes:
    return source.replace(b"\r\n", random.choice((b"\n", b"\r", b"\r\r\n", b"\n\r", b" \r\n", b"\r\n ")))


def _in_place_of(pattern: re.Pattern[bytes], choices: tuple[bytes, ...], prefix: bytes = b"") -> Callable[..., bytes]:
    def change(random: Random, source: bytes, _sources: list[bytes]) -> bytes:
        instead = prefix + random.choice(choices)
        return pattern.sub(lambda _found: instead, source, count=random.choice((0, 1)))

    return change


_CHANGES = (
    *(_flip, _flip, _cut, _splice, _double_header, _double_header, _break_boundary, _repeat, _insert, _insert),
    _line_ends,
    _in_place_of(_CHARSET, _CHARSETS, b"charset="),
    _in_place_of(_ENCODING, _ENCODINGS, b"Content-Transfer-Encoding: "),
    _in_place_of(_TYPE, _TYPES),
    _in_place_of(_FROM, _SENDERS, b"From: "),
)
