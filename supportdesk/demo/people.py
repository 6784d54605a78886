"""The three people whom a visitor of the demo can be, and who writes mails there."""

from __future__ import annotations

from typing import Final

from supportdesk.demo import sample

PASSWORD: Final = "demo-desk-2026"  # noqa: S105 invented, and shown to everybody who starts the demo

# Role, e-mail address, password
SIGN_INS: Final = (
    ("customer", "isla.renwick@harbour-heath.example", PASSWORD),
    ("technician", "maya.okafor@quillmark.example", PASSWORD),
    ("admin", "ada.lindqvist@quillmark.example", PASSWORD),
)

# Who may write a mail: name and address of each, and a stranger of whom the desk knows nothing
PEOPLE: Final = (
    *((contact[0], contact[1]) for *_place, contact, _lots in sample.CUSTOMERS),
    *((name, email) for _customer, name, email, _restricted, _follows in sample.COLLEAGUES),
    ("A stranger", "wim.stranger@elsewhere.example"),
)
