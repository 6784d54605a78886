"""What the entries of each hour, and of each quarter of one, come to, kept by the database (D6). Tested in tests/points/test_tallies.py.

Also: the latest entry of a lot by an index of its own, which stands in for the plain one on the lot.
"""

import django.db.models.deletion
from django.db import migrations, models

from supportdesk.roles import APPLICATION

TALLIES = f"""
-- Nobody adds an entry between what is added up here and what the trigger adds from then on.
LOCK TABLE points_entry IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO points_tally (customer_id, minutes, begins, cause, points, last_at)
SELECT customer_id, minutes, date_bin(make_interval(mins => minutes), at, timestamptz 'epoch'), cause, sum(points), max(at)
FROM points_entry, unnest(ARRAY[15, 60]) AS minutes GROUP BY 1, 2, 3, 4;

-- Once a statement, however many entries it inserts; in one order, so that two statements wait for each other at worst.
CREATE FUNCTION points_entry_tallies() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    INSERT INTO public.points_tally AS kept (customer_id, minutes, begins, cause, points, last_at)
    SELECT customer_id, minutes, date_bin(make_interval(mins => minutes), at, timestamptz 'epoch'), cause,
           sum(points), max(at)
    FROM written, unnest(ARRAY[15, 60]) AS minutes GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (customer_id, minutes, begins, cause) DO UPDATE
        SET points = kept.points + excluded.points, last_at = greatest(kept.last_at, excluded.last_at);
    RETURN NULL;
END $$;
CREATE TRIGGER points_entry_tallies AFTER INSERT ON points_entry REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION points_entry_tallies();
REVOKE EXECUTE ON FUNCTION points_entry_tallies() FROM PUBLIC;

-- A tally changes in one way only: by entries.
CREATE FUNCTION points_tally_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('INSERT', 'UPDATE') AND pg_trigger_depth() > 1 THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a tally changes by entries only: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER points_tally_guard BEFORE INSERT OR UPDATE OR DELETE ON points_tally
    FOR EACH ROW EXECUTE FUNCTION points_tally_guard();
CREATE TRIGGER points_tally_no_truncate BEFORE TRUNCATE ON points_tally
    FOR EACH STATEMENT EXECUTE FUNCTION points_tally_guard();
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON points_tally FROM {APPLICATION};
"""

BACK = f"""
DROP TRIGGER points_tally_no_truncate ON points_tally;
DROP TRIGGER points_tally_guard ON points_tally;
DROP FUNCTION points_tally_guard();
DROP TRIGGER points_entry_tallies ON points_entry;
DROP FUNCTION points_entry_tallies();
GRANT INSERT, UPDATE, DELETE ON points_tally TO {APPLICATION};
"""

# By name: altering the field would drop every index on the lot alone, and with them the constraints that it is
# opened and expires once.
PLAIN_GONE = "DROP INDEX points_entry_lot_id_605d2015"
PLAIN = "CREATE INDEX points_entry_lot_id_605d2015 ON points_entry (lot_id)"


class Migration(migrations.Migration):

    dependencies = [
        ('people', '0001_initial'),
        ('points', '0005_payments'),
    ]

    operations = [
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('pk', models.CompositePrimaryKey('customer_id', 'minutes', 'begins', 'cause', blank=True, editable=False, primary_key=True, serialize=False)),
                ('customer', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='people.customer')),
                ('minutes', models.PositiveSmallIntegerField(verbose_name='minutes')),
                ('begins', models.DateTimeField(verbose_name='since')),
                ('cause', models.CharField(choices=[('purchase', 'Bought or granted'), ('credit', 'Credited'), ('charge', 'Incident'), ('expiry', 'Expired'), ('writeoff', 'Written off')], max_length=8, verbose_name='cause')),
                ('points', models.IntegerField(verbose_name='points')),
                ('last_at', models.DateTimeField(verbose_name='last')),
            ],
            options={
                'verbose_name': 'tally',
                'verbose_name_plural': 'tallies',
            },
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(PLAIN_GONE, PLAIN)],
            state_operations=[
                migrations.AlterField(
                    model_name='entry',
                    name='lot',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='points.lot'),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['lot', '-at'], name='entry_latest_of_a_lot'),
        ),
        migrations.RunSQL(TALLIES, BACK),
    ]
