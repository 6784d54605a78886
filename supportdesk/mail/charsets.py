"""Bytes as text, by the charset they name or the likeliest one, in any state of repair (D29). Pure."""

from __future__ import annotations

import re

from supportdesk.mail.texts import storable

# Codecs of Python that are no charset of mail: slow in the square of the length, or ways to write a program.
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
# What mail programs write where they do not know: the same as nothing.
_NAMELESS = frozenset(
    [
        *("", "default", "unknown", "x-unknown", "unknown-8bit", "8bit", "7bit", "binary", "ansi", "none"),
        *("x-user-defined", "us-ascii", "ascii", "ansi-x3.4-1968", "utf-8"),
    ]
)
# What is written, and what the bytes then are: the larger set of the same family, as all browsers read it.
_MEANT = {
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "gb2312": "gb18030",
    "x-gbk": "gb18030",
    "gbk": "gb18030",
    "chinesegb": "gb18030",
    "ks-c-5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "iso-2022-jp": "iso2022-jp-ext",
    "big5": "big5hkscs",
    "unicode-1-1-utf-7": "utf-7",
    "utf8": "utf-8",
    "utf8mb4": "utf-8",
    "utf": "utf-8",
    "unicode": "utf-16",
}
# Of these a broken letter is best read as a broken letter: the Western set would turn all others to rubbish.
_MANY_BYTES = re.compile(r"utf|gb|big5|cp9\d\d|euc|iso2022|johab|hz")
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_META = re.compile(rb"<meta\b[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,60})", re.IGNORECASE)
_META_WITHIN = 2_000
_BEYOND_ASCII = re.compile("[^\x00-\x7f\ufffd]")


def decode_text(payload: bytes, charset: str) -> tuple[str, bool]:
    """``payload`` as text in the charset it names, or the likeliest one; False where the name is unknown.

    >>> decode_text(b"Gr\\xc3\\xb6\\xc3\\x9fe", "x-foo")
    ('Größe', False)
    """
    wanted, known = _known(charset, payload)
    # Nearly nothing that was written in a Western charset happens to be sound UTF-8: then its name is a lie.
    for codec in ("utf-8", wanted) if wanted in ("", "cp1252") else (wanted, "utf-8"):
        if codec:
            try:
                return storable(payload.decode(codec).removeprefix("\ufeff")), known
            except ValueError:
                pass
    return storable(_repaired(payload, wanted)), known


def charset_of_html(payload: bytes) -> str:
    """The charset that an HTML document names in itself, for where its part names none."""
    found = _META.search(payload, 0, _META_WITHIN)
    return found[1].decode("ascii", "replace") if found else ""


def _known(charset: str, payload: bytes) -> tuple[str, bool]:
    """The codec to try first (none where no charset is named), and whether the name is one."""
    name = charset.strip().strip("\"';").lower().replace("_", "-").replace(" ", "-")
    if b"\x1b$" in payload and (name in _NAMELESS or name.startswith("iso-8859-1")):
        # Japanese mail of old in its seven bits, by a program that named what it was set to.
        return "iso2022-jp-ext", True
    if name in _NAMELESS:
        return next((codec for mark, codec in _MARKS if payload.startswith(mark)), ""), True
    codec = _MEANT.get(name, name)
    if codec in _NO_CHARSETS:
        return "", False
    try:
        " ".encode(codec)
    except (LookupError, ValueError):  # ValueError: a name with a NUL in it
        return "", False
    if codec in ("utf-16", "utf16"):
        return _endian(payload), True
    return codec, True


def _endian(payload: bytes) -> str:
    """Which UTF-16: by its mark, or by where the zeros stand; without either the network's order (RFC 2781)."""
    for mark, codec in _MARKS:
        if payload.startswith(mark):
            return codec
    return "utf-16-le" if payload[1:200:2].count(0) > payload[0:200:2].count(0) else "utf-16-be"


def _repaired(payload: bytes, wanted: str) -> str:
    """What is no text of the charset: a few broken letters in many good ones, or else Western."""
    if _MANY_BYTES.match(wanted):
        return payload.decode(wanted, "replace")
    repaired = payload.decode("utf-8", "replace")
    few = len(_BEYOND_ASCII.findall(repaired)) > repaired.count("\ufffd")
    return repaired if few else payload.decode("cp1252", "replace")
