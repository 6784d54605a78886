"""What a file may be called, what it is by its content, and how much goes with one message. Pure (D31)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from supportdesk.policy import POLICY

NAMELESS = "file"
# Joiners that scripts and emoji need; every other mark without a shape only hides something.
_JOINERS = "\u200c\u200d"
# Control, format (bidi marks are of these), surrogate, private and unassigned characters, line and paragraph ends.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# How much of the end stays when a name is shortened: the ending, and what tells "(1)" from "(2)".
_TAIL = 60
_TOKEN = re.compile(r"[0-9A-Za-z_-]{1,64}")
START_BYTES = 16  # of a file: enough to tell a picture
PICTURE_BYTES = 24  # of a PNG: enough to tell how large it is drawn
SPACER_PIXELS = 2


def clean_name(given: str) -> str:
    """A file's own name as it is kept and shown: no path, nothing unseen, at most POLICY.file_name_max long.

    >>> clean_name("../../etc/report\\u202egnp.txt")
    'reportgnp.txt'
    >>> clean_name("..")
    'file'
    """
    last = given.replace("\\", "/").rsplit("/", 1)[-1]
    spaced = "".join(" " if char in "\t\n\r" else char for char in unicodedata.normalize("NFC", last))
    seen = "".join(char for char in spaced if char in _JOINERS or unicodedata.category(char) not in _UNSEEN)
    # Some systems drop dots and spaces at the end, and would so show another ending than was named here.
    name = " ".join(seen.split()).rstrip(". ")
    if len(name) > POLICY.file_name_max:
        head = POLICY.file_name_max - _TAIL - 1
        name = f"{name[:head]}…{name[-_TAIL:]}"
    return name or NAMELESS


def is_token(given: str) -> bool:
    """True for what could be the token of an upload: anything else is nobody's, and no question to the database."""
    return bool(_TOKEN.fullmatch(given))


def picture_of(start: bytes) -> str:
    """Which kind of picture begins with these bytes, or nothing: by content, never by name (D31).

    >>> picture_of(b"GIF89a....")
    'gif'
    >>> picture_of(b"<svg xmlns=")
    ''
    """
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if start.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "webp"
    return ""


def is_icon(start: bytes) -> bool:
    """True for a picture of POLICY.icon_pixels at most, or one that only keeps a distance; where its start says so.

    >>> is_icon(b"GIF89a\x01\x00\x01\x00")
    True
    """
    kind = picture_of(start)
    width = height = POLICY.icon_pixels + 1
    if kind == "png" and len(start) >= PICTURE_BYTES:
        width, height = int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
    elif kind == "gif" and len(start) >= len("GIF89a____"):
        width, height = int.from_bytes(start[6:8], "little"), int.from_bytes(start[8:10], "little")
    return max(width, height) <= POLICY.icon_pixels or min(width, height) <= SPACER_PIXELS


def too_many(sizes: Collection[int]) -> bool:
    """True where one message may not have so many files (D31)."""
    return len(sizes) > POLICY.files_max


def too_large(sizes: Collection[int]) -> bool:
    """True where the files of one message are too large together (D31)."""
    return sum(sizes) > POLICY.message_files_bytes_max
