"""From a stored mail to one service call: evidence in, decision by ``filing``, effect by a service (D26, D28, D29)."""

from incidents.inbound.carrying import file_mail
from incidents.inbound.drafting import draft_of_mail
from incidents.inbound.holding import hold, hold_given_up
from incidents.inbound.settling import AlreadySettled, attach_held, discard_held

__all__ = ["AlreadySettled", "attach_held", "discard_held", "draft_of_mail", "file_mail", "hold", "hold_given_up"]
