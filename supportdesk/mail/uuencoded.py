"""Files of old that stand in the text itself, between "begin" and "end" (uuencode). Pure, one pass over the lines."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

from supportdesk.mail.texts import one_line

FILES_MAX = 50
_BEGIN = re.compile(r"begin [0-7]{3,4} (\S[^\n]{0,200})")
_LAST = ("", "`")


@dataclass(frozen=True, slots=True)
class Uuencoded:
    """A file out of a text."""

    name: str
    payload: bytes


def without_uuencoded(text: str) -> tuple[str, list[Uuencoded]]:
    r"""The text without the files in it, and they; what is not whole and well-formed stays text.

    >>> without_uuencoded("See:\nbegin 644 a.txt\n#8V%T\n`\nend\nBye")
    ('See:\nBye', [Uuencoded(name='a.txt', payload=b'cat')])
    """
    if "begin " not in text:
        return text, []
    lines = text.split("\n")
    kept: list[str] = []
    files: list[Uuencoded] = []
    at = 0
    while at < len(lines):
        begin = _BEGIN.fullmatch(lines[at].rstrip())
        payload, after = (None, at) if begin is None or len(files) >= FILES_MAX else _file(lines, at + 1)
        if begin is not None and payload is not None:
            name = one_line(begin[1].replace("\\", "/").rpartition("/")[2], 200) or "attachment"
            files.append(Uuencoded(name, payload))
            at = after
        else:
            # Lines that were looked at in vain are text: no second "begin" among them can be well-formed either.
            kept.extend(lines[at : max(after, at + 1)])
            at = max(after, at + 1)
    return "\n".join(kept), files


def _file(lines: list[str], start: int) -> tuple[bytes | None, int]:
    """The bytes of the file whose lines begin here, or none; and the line behind what was looked at."""
    payload = bytearray()
    for at in range(start, len(lines)):
        line = lines[at]
        if line.rstrip() in _LAST:
            ended = at + 1 < len(lines) and lines[at + 1].strip() == "end"
            return (bytes(payload), at + 2) if ended else (None, at)
        if line.strip() == "end":
            return bytes(payload), at + 1
        try:
            payload += binascii.a2b_uu(line)
        except ValueError:  # binascii's own error, and letters beyond ASCII
            return None, at
    return None, len(lines)
