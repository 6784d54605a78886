"""A mail's bytes taken apart: header fields decoded, parts found. Pure; any bytes will do.

Ours, and not ``email.parser``: that one recurses once for each nested part, checks each line against every
boundary around it, and makes an object of each line (1.3 GB of a 25 MB mail of line feeds). This one
slices, once for each level up to ``DEPTH_MAX``, so that its work grows with the mail's length.
"""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from supportdesk.mail.charsets import decode_text as decode_text
from supportdesk.mail.parameters import parameters_of
from supportdesk.mail.texts import one_line, storable

PARTS_MAX = 100
DEPTH_MAX = 20
HEADER_BYTES_MAX = 256 * 1024  # the whole block of a part
HEADER_FIELDS_MAX = 1_000
FIELD_CHARS_MAX = 64 * 1024

_WHO_WROTE = frozenset({"from", "authentication-results"})
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_FIELD_NAME = re.compile(rb"[!-9;-~]{1,100}[ \t]*:")
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_BOUNDARY_REST = re.compile(rb"(--)?[ \t]*(?:\r?\n|\Z)")
_LINE_FEED = 10
_DOUBLED_RETURN = re.compile(rb"(?<!\r)\r{2,}\n")
_CONTROL = re.compile(rb"\r(?!\n)|\x00")
# A question mark inside is against the standard, and written: only "?=" ends a word, and "=?" begins another one.
_ENCODED_WORD = re.compile(r"=\?([!-<>@-~]{1,60})\?([bBqQ])\?((?:[^?=]|=(?!\?(?!=))|\?(?!=)){0,1000}?)\?=")
_TRANSFER_JUNK = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_CHARSET = re.compile(rb"charset\s*=\s*\"?([\w.:-]{1,60})", re.IGNORECASE)
_FIRST_DASHES = re.compile(rb"^--([^\r\n]{1,200}?)[ \t]*\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """The decoded header fields of a mail or a part, in order; names in lower case.

    ``plain_from``: the From fields by their bytes alone, as a server reads them that checks who wrote (D26).
    """

    fields: tuple[tuple[str, str], ...]
    plain_from: tuple[str, ...] = ()

    def all(self, name: str) -> tuple[str, ...]:
        """The values of every field ``name``, topmost first."""
        return tuple(value for field_name, value in self.fields if field_name == name)

    def first(self, name: str) -> str:
        """The topmost value of ``name``, or an empty text."""
        return next((value for field_name, value in self.fields if field_name == name), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A leaf of the mail. ``alternative`` numbers the outermost multipart/alternative it stands in; 0 is none."""

    headers: Headers
    content_type: str
    parameters: dict[str, str]
    charset: str
    name: str
    disposition: str
    content_id: str
    alternative: int
    body: bytes

    def payload(self) -> bytes:
        """The body without its transfer encoding, as far as it can be read."""
        match self.headers.first("content-transfer-encoding").partition("(")[0].strip(" \t\"';").lower():
            case "base64":
                return _from_base64(self.body)
            case "quoted-printable":
                return quopri.decodestring(self.body)
            case "x-uuencode" | "uuencode" | "x-uue" | "uue":
                return _from_uuencode(self.body)
        return self.body


@dataclass(slots=True, kw_only=True)
class Mime:
    """A mail taken apart, and what was wrong with it."""

    headers: Headers
    content_type: str
    parameters: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    problems: set[str] = field(default_factory=set)


def take_apart(source: bytes) -> Mime:
    """The parts of a mail in their order.

    ``problems``: too_deep, too_many_parts, broken, long_header, control_in_header.
    """
    if b"\n" not in source:  # of a Macintosh of old: one line to everybody else
        source = source.replace(b"\r", b"\n")
    elif b"\r\r\n" in source:  # line ends made into line ends once too often
        source = _DOUBLED_RETURN.sub(b"\r\n", source)
    mime: Mime | None = None
    # A stack, not recursion: (start, end, depth, alternative around it, type if none is named).
    waiting: list[tuple[int, int, int, int, str]] = [(0, len(source), 0, 0, "text/plain")]
    seen = 0
    while waiting:
        start, end, depth, alternative, content_type = waiting.pop()
        headers, body_start, long = _headers(source, start, end)
        content_type, parameters = _type_of(headers, content_type)
        if mime is None:
            mime = Mime(headers=headers, content_type=content_type, parameters=parameters)
            # Some end a line there: to them the mail has other fields, and another sender.
            if _CONTROL.search(source, start, body_start):
                mime.problems.add("control_in_header")
        if long:
            mime.problems.add("long_header")
        seen += 1
        if seen > PARTS_MAX:
            mime.problems.add("too_many_parts")
            break
        if content_type.startswith("multipart/"):
            if depth >= DEPTH_MAX:
                mime.problems.add("too_deep")
                continue
            slices, closed = _split(source, body_start, end, parameters.get("boundary", ""))
            if not closed:
                mime.problems.add("broken")
            if slices:
                inside = alternative or (seen if content_type == "multipart/alternative" else 0)
                default = "message/rfc822" if content_type == "multipart/digest" else "text/plain"
                # Later parts lie deeper in the stack.
                waiting.extend(
                    (first, last, depth + 1, inside, default) for first, last in reversed(slices[: PARTS_MAX + 1])
                )
                continue
            content_type = "text/plain"
        mime.parts.append(_leaf(headers, content_type, parameters, alternative, source[body_start:end]))
    assert mime is not None
    return mime


def _type_of(headers: Headers, default: str) -> tuple[str, dict[str, str]]:
    """The type of a part in lower case, ``default`` where it names none, and the parameters."""
    content_type, parameters = parameters_of(headers.first("content-type"))
    content_type = next(iter(content_type.partition("(")[0].split()), "")
    if content_type.count("/") != 1:
        content_type = "text/plain" if content_type else default
    return one_line(content_type, 100), parameters


def _leaf(headers: Headers, content_type: str, parameters: dict[str, str], alternative: int, body: bytes) -> Part:
    disposition, more = parameters_of(headers.first("content-disposition"))
    name = one_line(decode_words(more.get("filename") or parameters.get("name") or ""), 1000)
    return Part(
        headers=headers,
        content_type=content_type,
        parameters=parameters,
        charset=parameters.get("charset", "").partition("(")[0].strip(),
        # Windows and Unix paths alike: the last part is the name.
        name=one_line(name.replace("\\", "/").rpartition("/")[2], 200),
        disposition=disposition.partition("(")[0].strip(),
        content_id=one_line(headers.first("content-id").strip().strip("<>"), 200),
        alternative=alternative,
        body=body,
    )


def parse_headers(block: bytes) -> Headers:
    """The header fields at the beginning of ``block``: of a mail, or of one that a report brings back."""
    return _headers(block, 0, len(block))[0]


def _headers(source: bytes, start: int, end: int) -> tuple[Headers, int, bool]:
    """The fields of the block at ``start``, where the body begins, and whether the block was cut as too long."""
    if source.startswith((b"\n", b"\r\n"), start, end):
        return Headers(fields=()), source.index(b"\n", start) + 1, False
    blank = _BLANK_LINE.search(source, start, end)
    stop, body = (blank.start(), blank.end()) if blank else (end, end)
    long = stop - start > HEADER_BYTES_MAX
    fields: list[tuple[str, list[bytes]]] = []
    for line in _LINE.finditer(source, start, min(stop, start + HEADER_BYTES_MAX)):
        text = line[0].rstrip(b"\r\n")
        if text[:1] in (b" ", b"\t") and fields:
            fields[-1][1].append(text)
        elif name := _FIELD_NAME.match(text):
            if len(fields) >= HEADER_FIELDS_MAX:
                long = True
                break
            fields.append((name[0][:-1].strip().decode("ascii").lower(), [text[name.end() :]]))
        elif not (text.startswith((b"From ", b">From ")) and not fields):
            # No field, no mbox line: the body begins here, without the blank line that belongs before it.
            body = line.start()
            break
    whole = [(name, b"".join(lines).strip(b" \t\r\n")) for name, lines in fields]
    # What says who wrote is read to its end, or not believed.
    long = long or any(len(value) > FIELD_CHARS_MAX for name, value in whole if name in _WHO_WROTE)
    raw = [(name, value[:FIELD_CHARS_MAX]) for name, value in whole]
    charset = next((_CHARSET.search(value) for name, value in raw if name == "content-type"), None)
    hint = charset[1].decode("ascii", "replace") if charset else ""
    plain = tuple(value.decode("utf-8", "replace") for name, value in raw if name == "from")
    decoded = tuple((name, _field_text(value, hint)) for name, value in raw)
    return Headers(fields=decoded, plain_from=plain), body, long


def _field_text(value: bytes, hint: str) -> str:
    """Raw 8-bit header text is UTF-8, or else in the charset of the body, or the Western one of old."""
    if value.isascii() and b"\x1b$" not in value:
        return storable(value.decode("ascii"))
    try:
        return storable(value.decode("utf-8")) if b"\x1b$" not in value else decode_text(value, "")[0]
    except UnicodeDecodeError:
        return decode_text(value, hint)[0]


def _split(source: bytes, start: int, end: int, boundary: str) -> tuple[list[tuple[int, int]], bool]:
    """Where the parts between the boundary lines are, and whether the closing line was there."""
    # A boundary ends in no space, and is compared as it was written.
    mark = boundary.rstrip().encode("utf-8", "replace")
    named = bool(mark)
    if not named:
        guess = _FIRST_DASHES.search(source, start, end)
        if guess is None:
            return [], False
        mark = guess[1]
    mark = b"--" + mark
    slices: list[tuple[int, int]] = []
    begun: int | None = None
    at = start
    while (found := source.find(mark, at, end)) >= 0:
        at = found + len(mark)
        rest = _BOUNDARY_REST.match(source, at, end)
        if rest is None or (found > start and source[found - 1] != _LINE_FEED):
            continue
        at = rest.end()
        if begun is not None:
            slices.append((begun, _without_line_end(source, begun, found)))
        if rest[1]:
            return slices, named
        begun = at
        if len(slices) > PARTS_MAX:
            return slices, True
    if begun is not None:
        slices.append((begun, end))
    return slices, False


def _without_line_end(source: bytes, start: int, end: int) -> int:
    """The line end before a boundary belongs to the boundary."""
    if end > start and source[end - 1 : end] == b"\n":
        end -= 1
        if end > start and source[end - 1 : end] == b"\r":
            end -= 1
    return end


def _from_base64(body: bytes) -> bytes:
    try:
        return binascii.a2b_base64(body)
    except binascii.Error:  # cut short, or padded wrongly: what is there counts
        kept = body.translate(None, _TRANSFER_JUNK)
        kept = kept[: len(kept) - 1] if len(kept) % 4 == 1 else kept
        return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))


def _from_uuencode(body: bytes) -> bytes:
    """The lines between "begin" and "end" that can be read."""
    found = bytearray()
    for line in body.splitlines():
        if line.strip() == b"end":
            break
        if not line.startswith(b"begin "):
            with suppress(binascii.Error):
                found += binascii.a2b_uu(line)
    return bytes(found)


def decode_words(text: str) -> str:
    """Encoded words (RFC 2047) in ``text`` decoded, wherever they stand; what is none stays as it is.

    >>> decode_words("=?utf-8?q?Gr=C3=B6?= =?utf-8?q?=C3=9Fe?= 42")
    'Größe 42'
    """
    return "".join(_decoded(text))


def _decoded(text: str) -> Iterator[str]:
    at = 0
    run, run_charset = bytearray(), ""
    for word in _ENCODED_WORD.finditer(text):
        between = text[at : word.start()]
        charset = word[1].partition("*")[0].lower()
        # Neighbours of one charset are decoded together: some mailers cut within a letter.
        if run and (between.strip() or charset != run_charset):
            yield decode_text(bytes(run), run_charset)[0]
            run.clear()
            if between.strip():
                yield between
        elif not run and (between.strip() or at == 0):
            yield between
        run_charset = charset
        raw = word[3].encode("utf-8", "replace")
        run += _from_base64(raw) if word[2] in "bB" else quopri.decodestring(raw, header=True)
        at = word.end()
    if run:
        yield decode_text(bytes(run), run_charset)[0]
    yield text[at:]
