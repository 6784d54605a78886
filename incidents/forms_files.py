"""Files in a form: picked, dropped or pasted before it is sent, or sent with it (D31).

A form names uploads by their tokens. Without script the files come with the form itself: ``take_files`` keeps them
first, so that a form that is refused has them still.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.template.defaultfilters import filesizeformat
from django.utils.datastructures import MultiValueDict
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.access import uploads_of
from incidents.models import Attachment
from incidents.services import files as services
from incidents.uploads import is_token, too_large, too_many
from supportdesk.people.doors import DeskRequest, signed_in
from supportdesk.policy import POLICY
from supportdesk.uploads import was_stopped


class AboutFiles(str):
    """Words that belong at the files of a form."""

    __slots__ = ()


def say_why(refusal: services.FileRefused) -> AboutFiles:
    """Why a file was not taken, and what to do now."""
    limits = {
        "name": refusal.name,
        "size": filesizeformat(POLICY.file_bytes_max),
        "all": filesizeformat(POLICY.message_files_bytes_max),
        "n": POLICY.files_max,
        "waiting": POLICY.uploads_waiting_max,
    }
    match refusal:
        case services.FileEmpty():
            said = _("“%(name)s” is empty: 0 bytes. Look whether it is the right file.")
        case services.FileTooLarge():
            said = _("“%(name)s” is larger than %(size)s. Send the part that matters, or pack it.")
        case services.FileNotStored():
            said = _("“%(name)s” could not be stored just now. Try again in a while.")
        case services.TooManyFiles():
            said = _("A message may have %(n)d files. Leave some out, or pack them into one.")
        case services.FilesTooLarge():
            said = _("The files of a message may have %(all)s together. Leave some out, or send a second message.")
        case services.TooManyWaiting():
            said = _("%(waiting)d files of yours wait that were sent with nothing yet. Send or remove some first.")
        case _unknown:
            said = _("A file is not here any more, or was sent before. Pick it again.")
    return AboutFiles(said % limits)


def _say_limits() -> str:
    return _("Pick, drop or paste: up to %(n)d files, %(size)s each, %(all)s together.") % {
        "n": POLICY.files_max,
        "size": filesizeformat(POLICY.file_bytes_max),
        "all": filesizeformat(POLICY.message_files_bytes_max),
    }


_limits = lazy(_say_limits, str)


class FilesInput(forms.FileInput):
    """A file input of the tokens beside it: what comes through it was kept by ``take_files`` before."""

    allow_multiple_selected = True

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        given = data.getlist(name) if hasattr(data, "getlist") else data.get(name, [])
        return [token for token in given if isinstance(token, str) and token]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return False


class FilesField(forms.Field):
    """The tokens of uploads, each once."""

    widget = FilesInput

    def __init__(self) -> None:
        super().__init__(
            required=False,
            label=gettext_lazy("Files"),
            help_text=_limits(),
            widget=FilesInput(attrs={"class": "input", "multiple": True}),
        )

    def to_python(self, value: Collection[str] | None) -> list[str]:
        return list(dict.fromkeys(value or ()))

    def validate(self, value: list[str]) -> None:
        if not all(is_token(token) for token in value):
            raise ValidationError(say_why(services.FileGone()))


class FilesMixin(forms.Form):
    """A form that files go with; ``cleaned_data["files"]`` are the tokens that a service takes.

    ``kept_files`` are the uploads that it names and that wait: the page shows them again where it is refused.
    """

    files = FilesField()  # type: ignore[assignment]  # a field, which the form's own files are looked up beside
    kept_files: Collection[Attachment] = ()
    refused_files: Collection[AboutFiles] = ()

    def clean_files(self) -> list[str]:
        tokens: list[str] = self.cleaned_data["files"]
        sizes = [file.size for file in self.kept_files]
        wrong = list(self.refused_files)
        if too_many(sizes):
            wrong.append(say_why(services.TooManyFiles()))
        if too_large(sizes):
            wrong.append(say_why(services.FilesTooLarge()))
        if wrong:
            raise ValidationError(wrong)
        return tokens

    def refuse(self, said: str, field: str = "text") -> None:
        """Puts a refusal where it belongs: at the files, or at the field."""
        self.add_error("files" if isinstance(said, AboutFiles) else field, said)


F = TypeVar("F", bound=FilesMixin)


def take_files(form: F, request: DeskRequest) -> F:
    """Keeps the files that came with the form, and looks up those that it names: before anything else is asked of it.

    A file that is not taken is named at the field; the others, and all that was typed, stay (D31).
    """
    name = form.add_prefix("files")
    data = form.data.copy()  # type: ignore[attr-defined]  # of a request, so a QueryDict
    sent: MultiValueDict[str, Any] = request.FILES
    refused = []
    if sent and request.scope.user_id is None:
        # Nobody's uploads would be anybody's; what was typed goes its way (D25).
        refused.append(AboutFiles(_("Files can be added once you are signed in. Leave them out for now.")))
        sent = MultiValueDict()
    for file in sent.getlist(name):
        try:
            kept = services.keep_upload(
                name=file.name or "", chunks=file.chunks(), at=request.at, user=signed_in(request)
            )
            data.appendlist(name, kept.token)
        except services.FileRefused as refusal:
            refused.append(say_why(refusal))
    if was_stopped(request):
        most = filesizeformat(POLICY.message_files_bytes_max)
        refused.append(AboutFiles(_("These files are too large: a message may have %(most)s.") % {"most": most}))
    form.data = data
    tokens = [token for token in data.getlist(name) if is_token(token)]
    form.kept_files = list(uploads_of(request.scope).filter(token__in=tokens)) if tokens else []
    form.refused_files = refused
    return form
