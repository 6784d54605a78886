"""What is signed or encrypted: known as such, and where it is only signed, read (D29). Pure."""

from __future__ import annotations

from dataclasses import replace

from supportdesk.mail.mime import PARTS_MAX, Mime, Part, take_apart

# Signatures beside what they sign, and the "Version: 1" beside what is encrypted: no files that anybody sent.
SEALS = frozenset(
    {
        *("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"),
        "application/pgp-encrypted",
    }
)
_CMS = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_ENVELOPED = bytes.fromhex("2a864886f70d010703")  # the object id of enveloped data
_AUTH_ENVELOPED = bytes.fromhex("2a864886f70d0109100117")
_SIGNED = bytes.fromhex("2a864886f70d010702")
_DATA = bytes.fromhex("06092a864886f70d010701")  # what is signed follows this object id
_OID_WITHIN = 60
_DATA_WITHIN = 1_000
_ENDLESS = -1
_SIGNED_BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE_BEGIN, _SIGNATURE_END = "-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----"
_MESSAGE_BEGIN, _MESSAGE_END = "-----BEGIN PGP MESSAGE-----", "-----END PGP MESSAGE-----"


def opened(mime: Mime) -> Mime:
    """The mail with what stands in its first wrapping signature of S/MIME in the place of that wrapping (RFC 8551)."""
    for at, part in enumerate(mime.parts):
        content = _signed_content(part.payload()) if part.content_type in _CMS else b""
        if content:
            inner = take_apart(content)
            # Its alternatives are none of those around it.
            parts = [
                replace(one, alternative=one.alternative and one.alternative + PARTS_MAX + 1) for one in inner.parts
            ]
            return replace(
                mime,
                parts=[*mime.parts[:at], *parts, *mime.parts[at + 1 :]],
                problems=mime.problems | inner.problems,
            )
    return mime


def _signed_content(cms: bytes) -> bytes:
    """The bytes that signed data carries, or none: by the one path that leads to them, not by all of ASN.1."""
    at = cms.find(_DATA, 0, _DATA_WITHIN)
    if at < 0 or _SIGNED not in cms[:_OID_WITHIN]:
        return b""
    tag, _length, at = _tag(cms, at + len(_DATA))
    if tag != 0xA0:
        return b""
    tag, length, at = _tag(cms, at)
    if tag == 0x04 and length != _ENDLESS:
        return cms[at : at + length]
    chunks: list[bytes] = []
    end = len(cms) if length == _ENDLESS else at + length
    while tag == 0x24 and at < end:
        inner, length, at = _tag(cms, at)
        if inner != 0x04 or length == _ENDLESS:
            break
        chunks.append(cms[at : at + length])
        at += length
    return b"".join(chunks)


def _tag(cms: bytes, at: int) -> tuple[int, int, int]:
    """The tag at ``at``, the length behind it, and where what it holds begins; tag 0 where there is none."""
    if at + 2 > len(cms):
        return 0, 0, len(cms)
    tag, length = cms[at], cms[at + 1]
    if length < 0x80:
        return tag, length, at + 2
    count = length & 0x7F
    if count == 0:
        return tag, _ENDLESS, at + 2
    return (
        (tag, int.from_bytes(cms[at + 2 : at + 2 + count], "big"), at + 2 + count) if count <= 8 else (0, 0, len(cms))
    )


def is_encrypted(mime: Mime, text: str) -> bool:
    """True where what the mail says is in a part that nobody here has a key for, or in nothing but such a text."""
    return (
        mime.content_type == "multipart/encrypted"
        or any(part.content_type == "application/pgp-encrypted" or _enveloped(part) for part in mime.parts)
        or _nothing_but_armor(text)
    )


def _enveloped(part: Part) -> bool:
    if part.content_type not in _CMS:
        return False
    kind = part.parameters.get("smime-type", "").strip().lower()
    if kind:
        return kind in ("enveloped-data", "authenveloped-data")
    begin = part.payload()[:_OID_WITHIN]
    return _ENVELOPED in begin or _AUTH_ENVELOPED in begin


def _nothing_but_armor(text: str) -> bool:
    words = text.strip()
    if not words.startswith(_MESSAGE_BEGIN):
        return False
    return not words.partition(_MESSAGE_END)[2].strip()


def unarmored(text: str) -> str:
    r"""A text that is signed in itself (RFC 9580, 7) as it was written, without the signature.

    >>> unarmored("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n- -- \nOlive\n"
    ...           "-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n")
    '-- \nOlive\n'
    """
    if _SIGNED_BEGIN not in text:
        return text
    lines = text.split("\n")
    last_end = next((at for at in range(len(lines) - 1, -1, -1) if lines[at].rstrip() == _SIGNATURE_END), -1)
    kept: list[str] = []
    state = "outside"
    for at, line in enumerate(lines):
        mark = line.rstrip()
        if state == "outside" and mark == _SIGNED_BEGIN and at < last_end:
            state = "head"
        elif state == "head":
            state = "head" if mark else "signed"
        elif state == "signed" and mark == _SIGNATURE_BEGIN and at < last_end:
            state = "signature"
        elif state == "signature":
            state = "outside" if mark == _SIGNATURE_END else "signature"
        else:
            kept.append(line.removeprefix("- ") if state == "signed" else line)
    return "\n".join(kept)
