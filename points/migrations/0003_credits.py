"""Giving a charge back (R14, D3, D4), and what the database refuses of it. Tested in tests/points/test_credits_sql.py.

A credit is one leg of one charge of one customer: its points, its purchase, the life that it had left. Once a leg
is the unique constraint of the lots, once a charge that of the row that says so.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from supportdesk.roles import append_only

CREDITS = """
-- Runs after points_entry_counts, by its name: lot, charge and customer are judged there.
-- In UTC, for days of an interval are added by the wall clock of the session's zone.
CREATE FUNCTION points_entry_credits() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public SET timezone = 'UTC' AS $$
DECLARE
    lot public.points_lot%ROWTYPE;
    source public.points_lot%ROWTYPE;
    paid public.points_charge%ROWTYPE;
    back public.points_giveback%ROWTYPE;
    leg bigint;
    ends timestamptz;
BEGIN
    SELECT * INTO lot FROM public.points_lot WHERE id = NEW.lot_id;
    SELECT * INTO source FROM public.points_lot WHERE id = lot.from_lot_id;
    SELECT * INTO paid FROM public.points_charge WHERE id = lot.from_charge_id;
    SELECT * INTO back FROM public.points_giveback WHERE charge_id = lot.from_charge_id;
    IF source.id IS NULL OR paid.id IS NULL OR NEW.charge_id IS DISTINCT FROM paid.id THEN
        RAISE EXCEPTION 'credit % names no charge and lot of its own', lot.id USING ERRCODE = 'check_violation';
    END IF;
    IF paid.customer_id <> lot.customer_id OR source.customer_id <> lot.customer_id THEN
        RAISE EXCEPTION 'credit % is of another customer than its charge', lot.id USING ERRCODE = 'check_violation';
    END IF;
    IF back.id IS NULL THEN
        RAISE EXCEPTION 'charge % is not given back', paid.id USING ERRCODE = 'check_violation';
    END IF;
    SELECT coalesce(-sum(points), 0) INTO leg FROM public.points_entry
        WHERE charge_id = paid.id AND lot_id = source.id AND cause = 'charge';
    IF lot.points <> leg THEN
        RAISE EXCEPTION 'charge % drew % points on lot %, the credit has %', paid.id, leg, source.id, lot.points
            USING ERRCODE = 'check_violation';
    END IF;
    IF lot.purchase_id <> source.purchase_id OR lot.bought_at <> source.bought_at THEN
        RAISE EXCEPTION 'credit % is of another purchase than lot %', lot.id, source.id
            USING ERRCODE = 'check_violation';
    END IF;
    ends := greatest(NEW.at + (source.expires_at - paid.charged_at), back.expires_at);
    IF NEW.at < paid.charged_at OR lot.expires_at <> ends THEN
        RAISE EXCEPTION 'credit % ends at %, it has to at %', lot.id, lot.expires_at, ends
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER points_entry_credits AFTER INSERT ON points_entry
    FOR EACH ROW WHEN (NEW.cause = 'credit') EXECUTE FUNCTION points_entry_credits();

-- At the end of the transaction a charge that is given back as points is so in full.
CREATE FUNCTION points_giveback_is_full() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public AS $$
DECLARE
    owed bigint;
    given bigint;
BEGIN
    SELECT points INTO owed FROM public.points_charge WHERE id = NEW.charge_id;
    SELECT coalesce(sum(points), 0) INTO given FROM public.points_entry
        WHERE charge_id = NEW.charge_id AND cause = 'credit';
    IF owed <> given THEN
        RAISE EXCEPTION 'charge % of % points is given back with %', NEW.charge_id, owed, given
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER points_giveback_is_full AFTER INSERT ON points_giveback DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.means = 'points') EXECUTE FUNCTION points_giveback_is_full();
"""

BACK = """
DROP TRIGGER points_giveback_is_full ON points_giveback;
DROP FUNCTION points_giveback_is_full();
DROP TRIGGER points_entry_credits ON points_entry;
DROP FUNCTION points_entry_credits();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('people', '0001_initial'),
        ('points', '0002_ledger'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='GiveBack',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('means', models.CharField(choices=[('points', 'points'), ('card', 'card')], max_length=8, verbose_name='by')),
                ('at', models.DateTimeField(verbose_name='given back')),
                ('reason', models.CharField(max_length=500, verbose_name='reason')),
                ('expires_at', models.DateTimeField(null=True, verbose_name='granted until')),
                ('key', models.CharField(max_length=100, unique=True)),
            ],
            options={
                'verbose_name': 'charge given back',
                'verbose_name_plural': 'charges given back',
                'ordering': ['-at', '-id'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='lot',
            name='lot_credit_has_its_lot',
        ),
        migrations.AddConstraint(
            model_name='lot',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('from_charge', None), ('from_lot', None), ('origin', 'purchase')), models.Q(('from_charge__isnull', False), ('from_lot__isnull', False), ('origin', 'credit')), _connector='OR'), name='lot_credit_has_its_lot'),
        ),
        migrations.AddField(
            model_name='giveback',
            name='actor',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='giveback',
            name='charge',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='given_back', to='points.charge'),
        ),
        migrations.AddConstraint(
            model_name='giveback',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='giveback_has_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='giveback',
            constraint=models.CheckConstraint(condition=models.Q(('means__in', ['points', 'card'])), name='giveback_means_known'),
        ),
        migrations.AddConstraint(
            model_name='giveback',
            constraint=models.CheckConstraint(condition=models.Q(('means', 'points'), ('expires_at', None), _connector='OR'), name='giveback_of_money_expires_never'),
        ),
        migrations.RunSQL(*append_only('points_giveback')),
        migrations.RunSQL(CREDITS, BACK),
    ]
