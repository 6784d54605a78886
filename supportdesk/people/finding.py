"""Who is calling: people and organisations found by what one types (D20).

Each question goes to an index of its own and takes a bounded number of rows, whatever is typed and however many
people there are; what they found is ranked here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from django.db.models import Func, Q, QuerySet, TextField
from django.db.models.functions import Lower, Reverse

from supportdesk.people.access import contacts_for, customers_for
from supportdesk.people.models import Contact, Customer
from supportdesk.people.phones import dialled, endings, is_whole
from supportdesk.people.scope import Scope

SHOWN: Final = 20
LOOKED_AT: Final = 100  # rows that one question may bring, before they are ranked
LOOKED_THROUGH: Final = 500  # rows of one word that are searched for the others
LETTERS_MIN: Final = 2
WORDS_MAX: Final = 6
TEXT_MAX: Final = 100
PIECE: Final = 3  # letters of a piece in the indexes
# A number of fewer digits may be a name as well.
NUMBER_ONLY: Final = 6
# Letters as they are typed without their marks, one for one as in the migration that made the indexes.
UNMARKED: Final = str.maketrans(
    "àáâãäåāăąçćčďđèéêëēĕėęěĝğģìíîïĩīįıķļľłñńņňòóôõöøōőŕřśşšţťùúûüũūůűųýÿźżž",
    "aaaaaaaaacccddeeeeeeeeegggiiiiiiiiklllnnnnoooooooorrsssttuuuuuuuuuyyzzz",
)


class Fit(IntEnum):
    """How well somebody fits, the best first."""

    TICKET = 0
    NUMBER = 1
    ADDRESS = 2
    NAME = 3
    NAME_BEGINS = 4
    WORD_BEGINS = 5
    ORGANISATION = 6
    LAST_DIGITS = 7
    SOMEWHERE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A contact who may be meant, and why."""

    contact: Contact
    fit: Fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best of them, whether there are more, and organisations by that name, also those without people."""

    hits: tuple[Hit, ...] = ()
    more: bool = False
    customers: tuple[Customer, ...] = ()

    @property
    def whole_number(self) -> tuple[Contact, ...]:
        """Those whose whole phone number was given."""
        return tuple(hit.contact for hit in self.hits if hit.fit is Fit.NUMBER)


class Folded(Func):
    """Text without its marks, in lower case: "Müller" is found by "muller"."""

    function = "people_folded"
    output_field = TextField()


def find_people(scope: Scope, text: str, *, named: Iterable[Contact] = ()) -> Found:
    """Contacts and organisations that ``scope`` may see and ``text`` may mean: at most SHOWN, ranked (D20).

    By name, organisation, e-mail address, or phone number: the words in any order, marks and case aside; of a number
    its last digits do. ``named`` are contacts that the caller found otherwise: by a ticket number.
    """
    text = " ".join(unicodedata.normalize("NFC", text.replace("\x00", " ")).split())[:TEXT_MAX]
    hits = [Hit(contact=contact, fit=Fit.TICKET) for contact in named]
    customers: list[Customer] = []
    hits += [Hit(contact=contact, fit=_fit_of_number(text, contact)) for contact in _by_phone(scope, text)]
    words = text.split()[:WORDS_MAX]
    if len(text) >= LETTERS_MIN and len(dialled(text)) < NUMBER_ONLY:
        customers = _customers(scope, words)
        people = [*_by_name(scope, words), *_of_customers(scope, words, customers)]
        hits += [Hit(contact=contact, fit=_fit_of_name(text, contact)) for contact in people]
        hits += [Hit(contact=contact, fit=_fit_of_address(text, contact)) for contact in _by_email(scope, text)]
        customers = [customer for customer in customers if all(_says(customer.name, word) for word in words)]
    best: dict[int, Hit] = {}
    for hit in sorted(hits, key=lambda hit: (hit.fit, fold(hit.contact.name), hit.contact.pk)):
        best.setdefault(hit.contact.pk, hit)
    return Found(hits=tuple(best.values())[:SHOWN], more=len(best) > SHOWN, customers=tuple(customers[:SHOWN]))


def by_phone_number(scope: Scope, number: str) -> list[Contact]:
    """Contacts whose whole number it is, in whatever form it is given (D20, D37)."""
    return [contact for contact in _by_phone(scope, number) if is_whole(number, contact.phone)]


def fold(text: str) -> str:
    """The same as the database's ``people_folded``."""
    return text.lower().replace("ß", "ss").translate(UNMARKED)


def _contacts(scope: Scope) -> QuerySet[Contact]:
    return contacts_for(scope).select_related("customer").order_by()


def _by_phone(scope: Scope, text: str) -> list[Contact]:
    """By the last digits, from the end of an index that holds the numbers backwards."""
    meant = Q()
    for ending in endings(text):
        meant |= Q(back__startswith=ending[::-1])
    if not meant:
        return []
    return list(_contacts(scope).exclude(phone="").alias(back=Reverse("phone")).filter(meant)[:LOOKED_AT])


def _by_name(scope: Scope, words: list[str]) -> list[Contact]:
    """All words in the name; or the longest in it, and the others in the organisation's."""
    people = _contacts(scope).alias(own=Folded("name"))
    found: list[Contact] = list(people.filter(*(_has("own", word) for word in words))[:LOOKED_AT])
    if found or len(words) == 1:
        return found
    longest = max(words, key=len)
    # The others are looked for here: an index for each cannot be asked in one question of two tables.
    some = people.filter(_has("own", longest))[:LOOKED_THROUGH]
    return [one for one in some if all(_says(f"{one.name} {one.customer.name}", word) for word in words)]


def _customers(scope: Scope, words: list[str]) -> list[Customer]:
    """Organisations with all words in their name; or with the longest, the one that says most."""
    named = customers_for(scope).alias(house=Folded("name")).order_by()
    found: list[Customer] = list(named.filter(*(_has("house", word) for word in words))[:LOOKED_AT])
    if found or len(words) == 1:
        return found
    return list(named.filter(_has("house", max(words, key=len)))[:LOOKED_THROUGH])


def _of_customers(scope: Scope, words: list[str], customers: list[Customer]) -> list[Contact]:
    """Their people: the words that are not in the organisation's name are in the person's."""
    people = _contacts(scope).filter(customer__in=[customer.pk for customer in customers]).alias(own=Folded("name"))
    for word in words:
        with_it = [customer.pk for customer in customers if _says(customer.name, word)]
        if len(with_it) < len(customers):
            people = people.filter(_has("own", word) | Q(customer__in=with_it))
    return list(people[:LOOKED_AT])


def _says(name: str, word: str) -> bool:
    return fold(word) in fold(name)


def _by_email(scope: Scope, text: str) -> list[Contact]:
    low = text.lower().removeprefix("mailto:").strip("<> ")
    if " " in low or len(low) < LETTERS_MIN:
        return []
    return list(_contacts(scope).alias(low=Lower("email")).filter(low__startswith=low)[:LOOKED_AT])


def _has(column: str, word: str) -> Q:
    """A word in a folded column; a short one where a word begins, for an index of threes knows no shorter pieces."""
    word = fold(word)
    if len(word) >= PIECE:
        return Q(**{f"{column}__contains": word})
    return Q(**{f"{column}__startswith": word}) | Q(**{f"{column}__contains": f" {word}"})


def _fit_of_number(text: str, contact: Contact) -> Fit:
    return Fit.NUMBER if is_whole(text, contact.phone) else Fit.LAST_DIGITS


def _fit_of_name(text: str, contact: Contact) -> Fit:
    name, said = fold(contact.name), fold(text)
    if name == said:
        return Fit.NAME
    if name.startswith(said):
        return Fit.NAME_BEGINS
    if all(f" {word}" in f" {name}" for word in said.split()):
        return Fit.WORD_BEGINS
    return Fit.ORGANISATION if said.split()[0] in fold(contact.customer.name) else Fit.SOMEWHERE


def _fit_of_address(text: str, contact: Contact) -> Fit:
    return Fit.ADDRESS if contact.email.lower() == text.lower().strip("<> ") else Fit.WORD_BEGINS
