"""What changes incidents: one module a verb, each one transaction, customer row locked first, then the incident."""
