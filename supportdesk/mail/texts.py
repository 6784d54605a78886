"""Text from anywhere made fit to be kept: on one line, or free of what PostgreSQL and mail cannot carry. Pure."""

from __future__ import annotations

import re

MESSAGE_ID_CHARS_MAX = 250
# Line ends and other controls, turns of the reading direction (a "gpj.exe" that reads as a picture), halves of pairs.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_UNSTORABLE = {number: None for number in range(0x20) if chr(number) not in "\t\n\f"} | dict.fromkeys(
    range(0xD800, 0xE000), "\ufffd"
)
_MESSAGE_ID = re.compile(rf"<[^<>\s\x00-\x20\x7f-\U0010ffff]{{1,{MESSAGE_ID_CHARS_MAX - 2}}}>")


def one_line(text: str, length: int) -> str:
    """``text`` on one line of ``length`` characters at most, fit for a header, a file name, a list.

    Line ends, control characters and those that turn the reading direction are gone; an ellipsis shows a cut.

    >>> one_line("Hello\\r\\nBcc: victim@example.com", 40)
    'Hello Bcc: victim@example.com'
    """
    line = " ".join(_UNFIT.sub(" ", text).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def storable(text: str) -> str:
    """``text`` with plain line ends, without what PostgreSQL refuses (NUL) or no encoding can write (D29).

    >>> storable("one\\r\\ntwo\\x00\\rthree")
    'one\\ntwo\\nthree'
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_UNSTORABLE)


def message_ids(text: str) -> tuple[str, ...]:
    """The well-formed message ids in ``text``, in order; anything else is left out.

    >>> message_ids("<a@b> and <c@d>\\r\\nBcc: <>")
    ('<a@b>', '<c@d>')
    """
    return tuple(_MESSAGE_ID.findall(text))
