"""The corpus: mails in the shapes that real programs produce, and what is expected of each.

A file ``<name>.eml`` below ``tests/mail/corpus/<group>/`` has ``<name>.json`` beside it. Keys that are left out are
not looked at:

- of the reading: ``from``, ``from_name``, ``to``, ``subject``, ``text`` (whole), ``said`` (what is left unfolded),
  ``quoted`` and ``signature`` (substrings that are folded so), ``html`` (substrings), ``attachments`` (name, type,
  size, or some of these; all files, in order), ``problems``, ``automatic`` (the reason), ``bounced``, ``delayed``,
  ``returned_id``, ``encrypted``, ``dmarc_failed``;
- of the filing: ``outcome``, ``reason``; ``mail_from`` and ``rcpt_to`` are the envelope.

In the .eml and in texts of the .json ``{{number}}``, ``{{shown}}``, ``{{reply}}``, ``{{message_id}}`` and ``{{desk}}``
stand for those of the incident.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supportdesk.mail.parse import ParsedMail
from supportdesk.mail.quotes import fold
from tests.incidents_helpers import DESK

FOLDER = Path(__file__).parent / "corpus"
# Once bare mail becomes a draft (D27) this is turned to False: until then it is held as naming no incident.
BARE_MAIL_IS_HELD = False
PLACEHOLDERS = {
    "number": "104826",
    "shown": "104\u202f826",
    "reply": "reply+1.1.aaaaaaaaaaaaaaaaaaaaaaaa@support.quillmark.example",
    "message_id": "<1.incident@support.quillmark.example>",
    "desk": DESK,
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One mail of the corpus."""

    path: Path

    def __str__(self) -> str:
        return f"{self.group}/{self.path.stem}"

    @property
    def group(self) -> str:
        """The folder that it is in."""
        return self.path.parent.name

    def source(self, values: dict[str, str]) -> bytes:
        """The mail's bytes with the placeholders replaced."""
        source = self.path.read_bytes()
        for name, value in values.items():
            source = source.replace(b"{{%s}}" % name.encode(), value.encode())
        return source

    def expected(self, values: dict[str, str]) -> dict[str, Any]:
        """What is expected of it."""
        text = self.path.with_suffix(".json").read_text(encoding="utf-8")
        for name, value in values.items():
            text = text.replace(f"{{{{{name}}}}}", value)
        expected: dict[str, Any] = json.loads(text)
        return expected


def samples() -> list[Sample]:
    """All mails of the corpus, in order."""
    return [Sample(path) for path in sorted(FOLDER.rglob("*.eml"))]


def seen_in(mail: ParsedMail) -> dict[str, Any]:
    """What was read of a mail, by the names that are expected."""
    pieces = fold(mail.text, answers=bool(mail.in_reply_to or mail.references))
    kinds = {kind: "".join(piece.text for piece in pieces if piece.kind == kind) for kind in KINDS}
    return {
        "from": mail.from_address,
        "from_name": mail.from_name,
        "to": list(mail.to),
        "subject": mail.subject,
        "text": mail.text.strip(),
        "said": kinds["said"].strip(),
        "quoted": kinds["quoted"],
        "signature": kinds["signature"],
        "html": mail.html,
        "attachments": [
            {"name": file.name, "type": file.content_type, "size": len(file.payload)} for file in mail.attachments
        ],
        "problems": list(mail.problems),
        "automatic": mail.automatic,
        "bounced": list(mail.bounced),
        "delayed": list(mail.delayed),
        "returned_id": mail.returned_id,
        "encrypted": mail.encrypted,
        "dmarc_failed": mail.dmarc_failed,
    }


KINDS = ("said", "quoted", "signature")
SUBSTRINGS = ("quoted", "signature", "html")
FILING = ("outcome", "reason", "mail_from", "rcpt_to")


def differences(expected: dict[str, Any], mail: ParsedMail) -> list[str]:
    """Where the reading of a mail is not what is expected, in words."""
    seen = seen_in(mail)
    found = [f"{key} is no key" for key in expected if key not in seen and key not in FILING]
    for key in set(expected) & set(seen):
        if key in SUBSTRINGS:
            found += [f"{key} lacks {text!r}" for text in expected[key] if text not in seen[key]]
        elif key in ("text", "said"):
            if expected[key].split() != seen[key].split():
                found.append(f"{key} is {seen[key]!r}, not {expected[key].strip()!r}")
        elif key == "attachments":
            given = [
                {name: file.get(name) for name in want} for want, file in zip(expected[key], seen[key], strict=False)
            ]
            if given != expected[key] or len(expected[key]) != len(seen[key]):
                found.append(f"{key} are {seen[key]!r}, not {expected[key]!r}")
        elif expected[key] != seen[key]:
            found.append(f"{key} is {seen[key]!r}, not {expected[key]!r}")
    return found
