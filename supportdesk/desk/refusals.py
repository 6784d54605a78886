"""Expected refusals in words for technicians: nothing was changed, and what to do now."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _

from incidents.forms_files import say_why
from incidents.services import (
    calls,
    conversation,
    crediting,
    declining,
    disposing,
    ending,
    following,
    merging,
    reopening,
    splitting,
)
from incidents.services.common import BugUndecided, KeyReused, NotAllowed, Refused
from incidents.services.files import FileRefused
from points.services import AlreadyGivenBack, NotEnoughPoints
from supportdesk.policy import POLICY


def attempt(act: Callable[[], object]) -> str | None:
    """Does it, or says why not."""
    try:
        act()
    except crediting.AlreadyMarked as marked:
        return _("%(who)s marked it before, as %(reference)s. Nothing was changed.") % {
            "who": marked.case.marked_by,
            "reference": marked.case.reference,
        }
    except AlreadyGivenBack:
        return _("What it cost was given back before. Nothing was changed.")
    except conversation.NoAnswerYet:
        return _("The customer waits for an answer. Write in a line what solved it, and choose “close” beside it.")
    except declining.ClosedBefore:
        return _("It was closed before, so it was accepted: it is not declined any more. Nothing was sent.")
    except BugUndecided as marked:
        return _(
            "It is marked as the bug %(reference)s: an admin decides on its points first. Nothing was changed."
        ) % {"reference": marked.case.reference}
    except ending.Overtaken:
        return _("Something was decided since then: it is not taken back any more. Nothing was changed.")
    except ending.HourOver:
        return _("The hour in which a mistake is taken back is over. Nothing was changed.")
    except NotEnoughPoints as short:
        return _("Needs %(needed)d points, %(have)d on hand. Nothing was changed.") % {
            "needed": short.needed,
            "have": short.on_hand,
        }
    except calls.NotTheirs:
        return _("This contact may not see this incident: talk about it with somebody who may.")
    except calls.NoAddress:
        return _("This contact has no e-mail address. Read out the address of the form instead.")
    except reopening.NothingToDecide:
        return _("Nobody asks to re-open this incident any more: somebody else has decided.")
    except merging.IntoItself:
        return _("This is the incident itself. Pick the other one, which stays.")
    except merging.AnotherCustomers:
        return _("That incident is another customer’s. Duplicates are of one customer.")
    except merging.MergedAlready as refusal:
        return _("It was merged before; %(number)s is the incident that goes on.") % {
            "number": refusal.into.shown_number
        }
    except merging.NotMerged:
        return _("It is an incident of its own: there is nothing to part.")
    except merging.PartingWaits:
        return _("Parting them waits for the customer’s points already.")
    except merging.TooLateToPart:
        return _("The 24 hours in which a merge is taken back are over. Report the problem anew instead.")
    except disposing.NotAFeatureRequest:
        return _("Only feature requests have a disposition.")
    except disposing.SameDisposition:
        return _("That is its disposition already: the customer was told.")
    except following.NoColleague:
        return _("This is no contact of the incident’s customer, or they have left. Nothing was changed.")
    except following.IsTheContact:
        return _("It is their own incident: they get its mails anyway.")
    except following.TooManyFollowers:
        return _("%(n)d contacts follow this incident: that is the most.") % {"n": POLICY.followers_max}
    except splitting.CannotDivide:
        return _("What was to be copied is not here any more. Nothing was changed: withdraw it and split it anew.")
    except splitting.ProposalWaits:
        return _("A proposal waits for points already. Carry it out or withdraw it before you make another.")
    except splitting.ProposalAccepted:
        return _("It was carried out already: see its number below.")
    except splitting.ProposalWithdrawn:
        return _("The proposal was withdrawn meanwhile. Nothing was changed.")
    except splitting.ProposalLapsed:
        return _("The days of the proposal are over. Nothing was changed: split it anew if it still holds.")
    except NotAllowed as refusal:
        return _("This incident is %(status)s by now; nothing was sent.") % {"status": refusal.status}
    except KeyReused:
        return _("This form was sent before with other content. Nothing was lost: send it again to send it anew.")
    except FileRefused as refusal:
        return say_why(refusal)
    except Refused as refusal:
        return str(refusal)
    return None
