"""The word and the parameters of a Content-Type or Content-Disposition, by one pass over them (RFC 2231). Pure.

Ours, and not that of ``email.message``: it takes the square of the length, and raises on what it does not expect.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from supportdesk.mail.charsets import decode_text

VALUE_CHARS_MAX = 16_000
PARAMETERS_MAX = 200
SECTIONS_MAX = 1_000

# Quoted, or up to the next semicolon: names with spaces come unquoted, too.
_PARAMETER = re.compile(r';\s*+([^\s=;"]{1,100}+)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?+[^;]*+|([^;]*+))', re.DOTALL)
_NAME = re.compile(r"([^*]+)(?:\*(\d{1,4}))?(\*)?")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parameters_of(value: str) -> tuple[str, dict[str, str]]:
    """``text/plain; charset=utf-8`` as a word and its parameters, continued and encoded ones joined.

    Of a name that is given twice the first counts, and its encoded form beats the plain one (RFC 6266).

    >>> parameters_of('attachment; filename="a.txt"; filename*=utf-8\\'\\'%C3%A4.txt')
    ('attachment', {'filename': 'ä.txt'})
    """
    value = value[:VALUE_CHARS_MAX]
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    word = value.partition(";")[0]
    for count, found in enumerate(_PARAMETER.finditer(value, len(word))):
        name = _NAME.fullmatch(found[1].lower())
        if name is None or count >= PARAMETERS_MAX:
            continue
        text = found[3].strip() if found[2] is None else _unescaped(found[2])
        if name[2] is None and name[3] is None:
            plain.setdefault(name[1], text)
        else:
            sections.setdefault(name[1], {}).setdefault(int(name[2] or 0), (text, name[3] is not None))
    joined = {name: _joined(parts) for name, parts in sections.items()}
    return word.strip().lower(), plain | {name: text for name, text in joined.items() if text}


def _unescaped(text: str) -> str:
    # Windows programs write paths without doubling the backslashes: only what must be escaped is.
    return _ESCAPED.sub(lambda found: found[1] if found[1] in '"\\' else found[0], text)


def _joined(parts: dict[int, tuple[str, bool]]) -> str:
    """The sections from the first on; each encoded one as bytes, for letters may be cut between two."""
    charset, raw = "", bytearray()
    for number in range(min(len(parts), SECTIONS_MAX)):
        if number not in parts:
            break
        text, encoded = parts[number]
        if number == 0 and encoded and text.count("'") >= 2:
            charset, _language, text = text.split("'", 2)
        raw += unquote_to_bytes(text) if encoded else text.encode("utf-8", "replace")
    return decode_text(bytes(raw), charset)[0]
