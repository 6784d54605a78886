"""How a technician says what is divided (D14). What is wrong is said by the rules themselves, at its field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from incidents.dividing import Flaw, Part, Problem
from incidents.forms import KeyField
from incidents.models import Message
from supportdesk.policy import POLICY

GONE = _("One that was chosen is not of this incident any more. Look through what is chosen.")
WORDS: dict[Flaw, tuple[str, Any]] = {
    Flaw.NO_PARTS: ("__all__", _("Add a part: one problem cannot be divided.")),
    Flaw.TOO_MANY: ("__all__", _("At most %(parts)d parts at once. Split again for more.")),
    Flaw.NO_TITLE: ("subject", _("Say in one line what this problem is.")),
    Flaw.LONG_TITLE: ("subject", _("A title has at most %(title)d characters.")),
    Flaw.SAME_TITLE: ("subject", _("Another part has this title. Say what differs.")),
    Flaw.NO_MESSAGE: ("messages", _("Choose a message for this part that its customer can read.")),
    Flaw.NOT_ITS_MESSAGE: ("messages", GONE),
    Flaw.NOT_ITS_FILE: ("attached", GONE),
    Flaw.FILE_ALONE: ("attached", _("A file goes with its message: choose the message of each file as well.")),
}


class PartForm(forms.Form):
    """One problem: its title, and what of the conversation goes along. The first one stays, with all of it."""

    subject = forms.CharField(
        label=_("The problem"),
        required=False,
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off", "maxlength": POLICY.subject_max}),
    )
    messages = forms.TypedMultipleChoiceField(coerce=int, required=False, error_messages={"invalid_choice": GONE})
    attached = forms.TypedMultipleChoiceField(coerce=int, required=False, error_messages={"invalid_choice": GONE})

    def __init__(
        self, data: QueryDict | None, *, position: int, messages: Iterable[Message], initial: dict[str, Any]
    ) -> None:
        super().__init__(data, prefix=f"part-{position}", initial=initial)
        self.position = position
        offered = list(messages)
        self._offer("messages", [message.pk for message in offered])
        self._offer("attached", [file.pk for message in offered for file in message.files.all()])

    def _offer(self, name: str, ids: Sequence[int]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.TypedMultipleChoiceField)
        field.choices = [(str(pk), "") for pk in ids]

    def chosen(self, name: str) -> set[str]:
        """The ids that are ticked on the page, as they were sent."""
        return {str(pk) for pk in self[name].value() or ()}

    @property
    def part(self) -> Part:
        data = self.cleaned_data
        return Part(subject=data["subject"], message_ids=tuple(data["messages"]), file_ids=tuple(data["attached"]))


class SplitForm(forms.Form):
    """The problems of one case. ``seen`` is the latest step that the page showed: one that is stale stops."""

    key = KeyField()
    seen = forms.IntegerField(min_value=0, max_value=2**62, widget=forms.HiddenInput)

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        messages: Sequence[Message],
        parts: Sequence[dict[str, Any]],
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=initial)
        self.problems = [
            PartForm(data, position=position, messages=messages, initial=part) for position, part in enumerate(parts)
        ]

    def is_valid(self) -> bool:
        # Each is asked, so that all that is wrong is said at once.
        return all([super().is_valid(), *[problem.is_valid() for problem in self.problems]])

    @property
    def kept_subject(self) -> str:
        return str(self.problems[0].cleaned_data["subject"])

    @property
    def parts(self) -> list[Part]:
        """What becomes incidents."""
        return [problem.part for problem in self.problems[1:]]

    def tell(self, problems: Iterable[Problem]) -> None:
        """Says each flaw at its field."""
        for problem in problems:
            field, words = WORDS[problem.flaw]
            form = self if field == "__all__" else self.problems[problem.position]
            said = str(words) % {"parts": POLICY.split_parts_max, "title": POLICY.subject_max}
            form.add_error(None if field == "__all__" else field, said)


def typed_parts(data: QueryDict) -> list[dict[str, Any]]:
    """What a page had in its parts when it was sent: what stays, and one to as many as can be split off at once."""
    count = data.get("count", "")
    known = int(count) if count.isascii() and count.isdigit() and len(count) < 4 else 1
    return [
        {
            "subject": data.get(f"part-{position}-subject", ""),
            "messages": data.getlist(f"part-{position}-messages"),
            "attached": data.getlist(f"part-{position}-attached"),
        }
        for position in range(min(max(known, 1), POLICY.split_parts_max) + 1)
    ]
