"""Who gets an incident's mails besides its contact, and may answer (D38)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from incidents import mails
from incidents.models import Follower, TimelineCode
from incidents.services.common import Refused, lock_incident, must_allow, note_step
from incidents.statuses import Act
from supportdesk.people.models import Contact, User
from supportdesk.policy import POLICY


class NoColleague(Refused):
    """Only present contacts of the incident's customer follow it (D22)."""


class IsTheContact(Refused):
    """The incident's own contact gets its mails anyway."""


class MayNotAdd(Refused):
    """A restricted contact adds nobody, and takes off nobody but themselves (D21)."""


class TooManyFollowers(Refused):
    """An incident has POLICY.followers_max followers at most."""


@transaction.atomic
def add_follower(
    *, incident_id: int, contact_id: int, at: datetime, user: User | None = None, by: Contact | None = None
) -> Follower:
    """Makes a contact follow an incident, by a technician's act or another contact's; who follows it already stays.

    Whoever is added by somebody else is told by mail, with the way to stop.
    Raises NotAllowed, NoColleague, IsTheContact, MayNotAdd, TooManyFollowers; then nothing has changed.
    """
    incident = lock_incident(incident_id)
    if by is not None:
        by = _present(by.pk, customer_id=incident.customer_id)
        if by.restricted:
            raise MayNotAdd
    contact = _present(contact_id, customer_id=incident.customer_id)
    if contact.pk == incident.contact_id:
        raise IsTheContact
    must_allow(incident, Act.FOLLOW)
    present = list(incident.followers.filter(removed_at=None))
    before = next((follower for follower in present if follower.contact_id == contact.pk), None)
    if before is not None:
        return before
    if len(present) >= POLICY.followers_max:
        raise TooManyFollowers
    follower = Follower.objects.create(
        incident=incident, contact=contact, added_at=at, added_by=user, added_by_contact=by
    )
    note_step(incident, TimelineCode.FOLLOWER_ADDED, at=at, user=user, contact=by, data={"follower": contact.pk})
    if by != contact:
        mails.follower_added(incident, to=contact, by=user or by or incident.contact, at=at)
    return follower


@transaction.atomic
def remove_follower(
    *, incident_id: int, contact_id: int, at: datetime, user: User | None = None, by: Contact | None = None
) -> bool:
    """Ends a contact's following, whatever the incident's status, and says whether it did.

    Raises NoColleague, MayNotAdd; then nothing has changed.
    """
    incident = lock_incident(incident_id)
    if by is not None:
        by = _present(by.pk, customer_id=incident.customer_id)
        if by.restricted and by.pk != contact_id:
            raise MayNotAdd
    ended = incident.followers.filter(contact_id=contact_id, removed_at=None).update(removed_at=at)
    if ended:
        note_step(incident, TimelineCode.FOLLOWER_REMOVED, at=at, user=user, contact=by, data={"follower": contact_id})
    return bool(ended)


def _present(contact_id: int, *, customer_id: int) -> Contact:
    contact = Contact.objects.filter(pk=contact_id, customer_id=customer_id, removed_at=None).first()
    if contact is None:
        raise NoColleague
    return contact
