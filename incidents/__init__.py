"""Incidents: what is reported, worked on, answered, and closed."""
