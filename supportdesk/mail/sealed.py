"""What is signed or encrypted: known as such, and where it is only signed, read (D29). Pure."""

from __future__ import annotations

from supportdesk.mail.mime import Mime, Part

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
_OID_WITHIN = 60
_SIGNED_BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE_BEGIN, _SIGNATURE_END = "-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----"
_MESSAGE_BEGIN, _MESSAGE_END = "-----BEGIN PGP MESSAGE-----", "-----END PGP MESSAGE-----"


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
