"""The timeline is append-only (D10), and ticket numbers come from a sequence (D9)."""

from django.db import migrations

from supportdesk.roles import append_only

SERIAL = "CREATE SEQUENCE incident_serial START WITH 10421"


class Migration(migrations.Migration):
    dependencies = [("incidents", "0001_initial")]
    operations = [
        migrations.RunSQL(*append_only("incidents_timelineentry")),
        migrations.RunSQL(SERIAL, "DROP SEQUENCE incident_serial"),
    ]
