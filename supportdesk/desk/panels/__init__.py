"""What each verb brings to an incident's page on the desk: ``panel(request, incident)`` gives names for it."""
