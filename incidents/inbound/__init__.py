"""From a stored mail to one service call: evidence in, decision by ``filing``, effect by a service (D26, D28, D29)."""

from incidents.inbound.anew import Filed, belongs_to, file_anew, file_those_of
from incidents.inbound.blocking import Blockable, block_sender, blockable, domain_of, unblock_sender
from incidents.inbound.carrying import file_mail, file_waiting
from incidents.inbound.drafting import draft_of_mail
from incidents.inbound.holding import hold, hold_given_up
from incidents.inbound.settling import AlreadySettled, attach_held, bring_back, discard_held, draft_held

__all__ = [
    "AlreadySettled",
    "Blockable",
    "Filed",
    "attach_held",
    "belongs_to",
    "block_sender",
    "blockable",
    "bring_back",
    "discard_held",
    "domain_of",
    "draft_held",
    "draft_of_mail",
    "file_anew",
    "file_mail",
    "file_those_of",
    "file_waiting",
    "hold",
    "hold_given_up",
    "unblock_sender",
]
