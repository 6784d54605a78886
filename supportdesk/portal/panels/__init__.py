"""What each verb brings to an incident's page in the portal: ``panel(request, incident)`` gives names for it."""
