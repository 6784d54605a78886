"""Where a mail came from, by what our own mail server wrote of it (D28). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address

from supportdesk.mail.mime import parse_headers
from supportdesk.mail.texts import one_line

HEADER_BYTES_MAX = 256 * 1024
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_BY = re.compile(r"\sby\s+([^\s;()]+)", re.IGNORECASE)
_GROUP = re.compile(r"\(([^()]*)\)")
# Not what a client said of itself: "helo=[192.0.2.1]".
_ADDRESS = re.compile(r"(?<![\w=.:])\[?(?:IPv6:)?([0-9A-Fa-f:.]{3,45})\]?(?![\w.:])", re.IGNORECASE)
_HELO = re.compile(r"\bhelo[= ]\S+", re.IGNORECASE)


def headers_of(source: bytes) -> bytes:
    """The header lines of a mail with the empty line behind them, as much of it as a mail may reasonably have."""
    end = _END_OF_HEADERS.search(source[:HEADER_BYTES_MAX])
    return source[: end.end()] if end else source[:HEADER_BYTES_MAX] + b"\r\n\r\n"


def came_from(source: bytes, *, by: Collection[str]) -> str:
    """The network address that the first server of ours took the mail from; empty where none of them says so.

    ``by`` are the names of our servers. Lines above theirs were written later, on our side; what stands below was
    brought along and may be forged. A hop inside one machine says nothing of the sender.
    """
    ours = {name.lower() for name in by}
    for line in parse_headers(source).all("received") if ours else ():
        found = _BY.search(line)
        if found is None or found[1].lower().rstrip(".") not in ours:
            continue
        address = _address_in(line[: found.start()])
        if address and not ip_address(address).is_loopback:
            return address
    return ""


def envelope_of(source: bytes) -> tuple[str, list[str]]:
    """Sender and recipients as the server wrote them down that put the mail into a mailbox."""
    headers = parse_headers(source)
    names = ("delivered-to", "x-original-to", "envelope-to")
    recipients = [one_line(value, 320).strip("<>") for name in names for value in headers.all(name)]
    return one_line(headers.first("return-path"), 320).strip("<>"), list(dict.fromkeys(filter(None, recipients)))[:100]


def _address_in(text: str) -> str:
    """The network address behind "from": in the last comment that has one, for a client may have written the first."""
    for group in (*reversed(_GROUP.findall(text)), _GROUP.sub(" ", text)):
        for found in _ADDRESS.finditer(_HELO.sub(" ", group)):
            try:
                return str(ip_address(found[1]))
            except ValueError:
                continue
    return ""
