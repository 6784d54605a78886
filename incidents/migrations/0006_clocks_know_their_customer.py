"""Running clocks from before closures of single customers get their customer, and are planned anew (D23)."""

from django.db import migrations

FILL = """
    UPDATE sla_responseclock AS clock
    SET customer_id = incident.customer_id, calendar_number = 0
    FROM incidents_incidentclock AS link JOIN incidents_incident AS incident ON incident.id = link.incident_id
    WHERE link.clock_id = clock.id AND clock.ended_at IS NULL AND clock.customer_id IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [("incidents", "0005_deadline_moved"), ("sla", "0003_calendars_kept")]
    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
