"""What the database keeps of closures and calendars by itself (D23). Each is tested in tests/sla/test_closing.py."""

from django.db import migrations

from supportdesk.roles import APPLICATION

TABLES = ("sla_closure", "sla_calendarstate", "sla_calendarchange")

KEPT = f"""
INSERT INTO sla_calendarstate (id, number, mark, holidays, tzdata) VALUES (1, 1, gen_random_uuid(), '', '');

-- The state only goes on, and each of its marks is new: a process that kept calendars trusts that.
CREATE FUNCTION sla_calendarstate_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.number <= OLD.number OR NEW.mark = OLD.mark THEN
        RAISE EXCEPTION 'the state of the calendars only goes on: % after %', NEW.number, OLD.number
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sla_calendarstate_goes_on BEFORE UPDATE ON sla_calendarstate
    FOR EACH ROW EXECUTE FUNCTION sla_calendarstate_goes_on();

-- A closure is removed by its date of removal, and stays to explain the deadlines that it made.
CREATE FUNCTION sla_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% keeps its rows: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
""" + "".join(
    f"""
CREATE TRIGGER {table}_stays BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION sla_refuse_delete();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION sla_refuse_delete();
REVOKE DELETE, TRUNCATE ON {table} FROM {APPLICATION};
"""
    for table in TABLES
)

GIVEN_UP = "".join(
    f"""
DROP TRIGGER {table}_stays ON {table};
DROP TRIGGER {table}_no_truncate ON {table};
GRANT DELETE ON {table} TO {APPLICATION};
"""
    for table in TABLES
) + """
DROP FUNCTION sla_refuse_delete();
DROP TRIGGER sla_calendarstate_goes_on ON sla_calendarstate;
DROP FUNCTION sla_calendarstate_goes_on();
DELETE FROM sla_calendarstate;
"""


class Migration(migrations.Migration):
    dependencies = [("sla", "0002_closures")]

    operations = [migrations.RunSQL(KEPT, GIVEN_UP)]
