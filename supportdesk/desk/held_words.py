"""Expected refusals about held mail in words: the mail is still held, and what to do now (D26)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from incidents.forms_files import say_why
from incidents.inbound import blocking, settling
from incidents.models import HeldMail, Incident, Settled
from incidents.services.common import KeyReused, NotAllowed, Refused, TextMissing, TextTooLong
from incidents.services.files import FileRefused
from supportdesk.people import services as people
from supportdesk.people.models import Contact
from supportdesk.policy import POLICY


def attempt(act: Callable[[], object]) -> str | None:
    """Does it, or says why not."""
    try:
        act()
    except settling.AlreadySettled as refusal:
        return _faster(refusal.held)
    except settling.FromElsewhere as refusal:
        return _(
            "The sender is a contact of another customer: %(names)s. This customer will read what they wrote. "
            "Tick that it is meant, and attach it again."
        ) % {"names": names(refusal.contacts)}
    except settling.NamesAnother as refusal:
        return _(
            "The mail names %(numbers)s, not this incident. Attaching cannot be undone, and this customer’s people "
            "will read it. Tick that it is meant, and attach it again."
        ) % {"numbers": ", ".join(incident.shown_number for incident in refusal.incidents)}
    except settling.FromNobody:
        return _(
            "No contact writes from the sender’s address. Attaching cannot be undone, and this customer’s people will "
            "read it. Tick that it is meant, and attach it again."
        )
    except settling.NoContactOfIt:
        return _("That is no contact of the incident’s customer any more. The mail is still held.")
    except settling.ContactGone:
        return _("This contact is not here any more. Nothing was changed.")
    except settling.NotPutAway:
        return _("Something became of it meanwhile: only what was put away can be brought back.")
    except settling.TooManyAtOnce:
        return _("At most %(n)d mails are settled at once. Nothing was changed.") % {"n": POLICY.held_at_once_max}
    except blocking.NotASender:
        return _("Write an address, as spam@shop.example, or a domain, as @shop.example. Nothing was changed.")
    except blocking.OurOwn:
        return _("This is an address of ours: we do not block ourselves. Nothing was changed.")
    except blocking.BlocksContacts as refusal:
        return _(
            "Contacts of customers write from there: %(names)s. Their mail would be put away unseen. "
            "Tick that it is meant, and block it again."
        ) % {"names": names(refusal.contacts, more=refusal.more)}
    except people.NoSender:
        return _("The mail has no sender that can be read, so it belongs to nobody by its address.")
    except people.AddressIsOurs:
        return _("This is an address of ours, and no customer’s. Nothing was changed.")
    except people.ContactExists as refusal:
        return _("%(name)s of this customer writes from this address already. Nothing was changed.") % {
            "name": refusal.contact.name
        }
    except people.AddressElsewhere as refusal:
        return _(
            "Contacts of other customers write from this address: %(names)s. Their mails could then be filed with "
            "this customer. Tick that it is meant, and choose again."
        ) % {"names": names(refusal.contacts)}
    except TextMissing:
        return _("The mail has no text that could be attached. It is still held.")
    except TextTooLong:
        return _("The text of the mail is longer than a message may be. It is still held.")
    except NotAllowed as refusal:
        return _("This incident is %(status)s by now. The mail is still held.") % {"status": refusal.status}
    except KeyReused:
        return _("The mail is a message already. It is still held here.")
    except FileRefused as refusal:
        return say_why(refusal)
    except Refused as refusal:
        return str(refusal)
    return None


def linked(incident: Incident) -> SafeString:
    """The ticket number as a way to it."""
    there = reverse("desk:incident", args=[incident.number])
    return format_html('<a class="number" href="{}">{}</a>', there, incident.shown_number)


def names(contacts: Iterable[Contact], *, more: bool = False) -> str:
    """Contacts with their customers, in one line."""
    said = ", ".join(f"{contact.name} ({contact.customer.name})" for contact in contacts)
    return _("%(names)s and more") % {"names": said} if more else said


def _faster(held: HeldMail | None) -> str:
    if held is None or held.settled_by is None:
        return _("Somebody else has attached this mail, or put it away.")
    said = {
        Settled.ATTACHED.value: _("%(who)s has attached this mail meanwhile. Nothing was changed."),
        Settled.DRAFT.value: _("%(who)s has made a draft of this mail meanwhile. Nothing was changed."),
    }.get(held.settled_as, _("%(who)s has put this mail away meanwhile. Nothing was changed."))
    return said % {"who": held.settled_by.name}
