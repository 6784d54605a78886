"""What a mail carries of ours: the text as HTML and as text, its pictures in place, its files along with it (D31)."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString

from incidents.models import Attachment, Message
from incidents.showing import shown
from supportdesk.mail.outgoing import FileOut
from supportdesk.markup import reference, references, to_text
from supportdesk.policy import POLICY


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A file that stays in the portal, with the address that its reader gets it from."""

    name: str
    size: int
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A text of ours as a mail has it: ``files`` go out with it, ``links`` were too much for one mail."""

    html: SafeString
    text: str
    files: tuple[FileOut, ...]
    links: tuple[Link, ...]

    @property
    def attached(self) -> list[FileOut]:
        """Those of ``files`` that the HTML does not show in place."""
        return [file for file in self.files if not file.content_id]


def carried_by(message: Message) -> Carried:
    """What the mails of a message carry: made once, whoever gets them."""
    return carried(message.text, list(message.files.order_by("pk")))


def carried(text: str, files: Sequence[Attachment], *, address: Callable[[Attachment], str] | None = None) -> Carried:
    """The same of a text with its files that may not be sent yet; ``address`` is where pictures are seen until then."""
    named = {one[:16] for one in references(text)}
    in_place = [file for file in files if file.picture and reference(file.digest) in named]
    others = [file for file in files if file not in in_place]
    # What the text shows comes first: without it the text tells of something that is not there.
    along, left = _within(in_place + others)
    return Carried(
        html=shown(text, [file for file in in_place if file in along], address or _in_mail),
        text=to_text(text),
        files=tuple(_out(file, in_place=file in in_place) for file in _each_once(along, in_place)),
        links=tuple(_link(file) for file in left),
    )


def _within(files: Sequence[Attachment]) -> tuple[list[Attachment], list[Attachment]]:
    """Those that go along in one mail, in their order, and those that would be too much (D31)."""
    along: list[Attachment] = []
    left: list[Attachment] = []
    room = POLICY.mail_files_bytes_max
    for file in files:
        if file.size <= room:
            along.append(file)
            room -= file.size
        else:
            left.append(file)
    return along, left


def _each_once(files: Sequence[Attachment], in_place: Sequence[Attachment]) -> list[Attachment]:
    """Without a picture's second copy: two parts of a mail may not have one id."""
    first = {file.digest: file for file in reversed(files) if file in in_place}
    return [file for file in files if file not in in_place or first[file.digest] is file]


def _out(file: Attachment, *, in_place: bool) -> FileOut:
    return FileOut(
        stored=file.stored,
        name=file.name,
        size=file.size,
        content_type=_content_type(file),
        content_id=_content_id(file) if in_place else "",
    )


def _in_mail(file: Attachment) -> str:
    return f"cid:{_content_id(file)}"


def _content_id(file: Attachment) -> str:
    return f"{reference(file.digest)}@{settings.MAIL_DOMAIN}"


def _content_type(file: Attachment) -> str:
    """Pictures by their content; other files by their name, where that cannot make a mail program show it as text."""
    if file.picture:
        return f"image/{file.picture}"
    guessed, packed = mimetypes.guess_type(file.name)
    # "x.tar.gz" would be guessed as a tar, which its bytes are not.
    if guessed is None or packed is not None or not guessed.startswith("application/"):
        return "application/octet-stream"
    return guessed


def _link(file: Attachment) -> Link:
    address = reverse("portal:file", args=[file.pk]) if file.pk else ""
    return Link(name=file.name, size=file.size, link=settings.BASE_URL + address)
