"""Expected refusals in words for technicians: nothing was changed, and what to do now."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _

from incidents.services import conversation, crediting, reopening
from incidents.services.common import KeyReused, NotAllowed, Refused
from points.services import AlreadyGivenBack


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
    except reopening.NothingToDecide:
        return _("Nobody asks to re-open this incident any more: somebody else has decided.")
    except NotAllowed as refusal:
        return _("This incident is %(status)s by now; nothing was sent.") % {"status": refusal.status}
    except KeyReused:
        return _("This form was sent before with other content. Nothing was lost: send it again to send it anew.")
    except Refused as refusal:
        return str(refusal)
    return None
