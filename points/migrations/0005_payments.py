"""Selling by card, refunds to card, and points on hold (D4, D5, D32), and what the database refuses of it.

Tested in tests/points/test_payments_sql.py.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from supportdesk.policy import POLICY
from supportdesk.roles import APPLICATION, append_only

PACKS = "".join(f"INSERT INTO points_pack (points, active) VALUES ({points}, true);" for points in POLICY.pack_sizes)

GUARD = """
CREATE OR REPLACE FUNCTION points_lot_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND pg_trigger_depth() > 1
       AND to_jsonb(NEW) - '{kept}'::text[] = to_jsonb(OLD) - '{kept}'::text[] THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a lot changes by entries only: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$;
"""
NEW_GUARD, OLD_GUARD = GUARD.replace("kept", "remaining,held"), GUARD.replace("kept", "remaining")

LOCKED = """
-- What one purchase allows is counted with its row locked, and read anew once it is: under a snapshot that is older
-- than the lock, two at once would each miss the other.
CREATE FUNCTION points_locked_purchase(wanted bigint) RETURNS points_purchase LANGUAGE plpgsql
    SET search_path = pg_catalog, public AS $$
DECLARE
    bought public.points_purchase%ROWTYPE;
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION 'purchase % is counted in READ COMMITTED only', wanted USING ERRCODE = 'check_violation';
    END IF;
    SELECT * INTO bought FROM public.points_purchase WHERE id = wanted FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no purchase %', wanted USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN bought;
END $$;
REVOKE EXECUTE ON FUNCTION points_locked_purchase(bigint) FROM PUBLIC;
"""

SALES = f"""
-- A payment asks for the same as long as it stands, and what was paid stays paid: for the purchase that says so.
CREATE FUNCTION points_payment_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
        RAISE EXCEPTION 'a payment stays: % refused', TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND (
        (NEW.customer_id, NEW.user_id, NEW.points, NEW.amount_minor, NEW.currency, NEW.started_at, NEW.key)
        IS DISTINCT FROM
        (OLD.customer_id, OLD.user_id, OLD.points, OLD.amount_minor, OLD.currency, OLD.started_at, OLD.key)
        OR (OLD.provider_ref IS NOT NULL AND NEW.provider_ref IS DISTINCT FROM OLD.provider_ref)
        OR (OLD.state = 'paid' AND (NEW.state, NEW.purchase_id) IS DISTINCT FROM (OLD.state, OLD.purchase_id))) THEN
        RAISE EXCEPTION 'what payment % asks for, and that it was paid, stays', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state = 'paid' AND NOT EXISTS (
        SELECT FROM public.points_purchase p WHERE p.id = NEW.purchase_id AND p.kind = 'card'
        AND (p.customer_id, p.points, p.amount_minor, p.currency, p.provider_ref)
            = (NEW.customer_id, NEW.points, NEW.amount_minor, NEW.currency, NEW.provider_ref)) THEN
        RAISE EXCEPTION 'payment % asked for another purchase', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER points_payment_guard BEFORE INSERT OR UPDATE OR DELETE ON points_payment
    FOR EACH ROW EXECUTE FUNCTION points_payment_guard();
CREATE TRIGGER points_payment_no_truncate BEFORE TRUNCATE ON points_payment
    FOR EACH STATEMENT EXECUTE FUNCTION points_payment_guard();
REVOKE DELETE, TRUNCATE ON points_payment FROM {APPLICATION};

-- At the end of the transaction a purchase has its lot, and one by card the payment that paid just it.
CREATE FUNCTION points_purchase_is_whole() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.points_lot WHERE purchase_id = NEW.id AND origin = 'purchase') THEN
        RAISE EXCEPTION 'purchase % has no lot', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.kind = 'card'
       AND NOT EXISTS (SELECT FROM public.points_payment WHERE purchase_id = NEW.id AND state = 'paid') THEN
        RAISE EXCEPTION 'no payment paid purchase %', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER points_purchase_is_whole AFTER INSERT ON points_purchase DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION points_purchase_is_whole();
"""

REFUNDS = f"""
-- A refund is a leg of a charge that goes back to the card of its purchase. Only its way forward changes.
CREATE FUNCTION points_refund_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moving text[] := '{{state,provider_ref,word,settled_at,tries,next_try_at,claimed_until,fence,last_error}}';
BEGIN
    IF TG_OP = 'INSERT' AND NEW.state = 'pending' AND NEW.provider_ref IS NULL THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - moving = to_jsonb(OLD) - moving
       AND (OLD.provider_ref IS NULL OR NEW.provider_ref IS NOT DISTINCT FROM OLD.provider_ref)
       AND NEW.fence >= OLD.fence
       AND (NEW.state = OLD.state AND NEW.settled_at IS NOT DISTINCT FROM OLD.settled_at
            OR (OLD.state, NEW.state) IN (
            ('pending', 'sent'), ('pending', 'done'), ('pending', 'failed'),
            ('sent', 'done'), ('sent', 'failed'), ('done', 'failed'))) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a refund only goes forward: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER points_refund_guard BEFORE INSERT OR UPDATE OR DELETE ON points_refund
    FOR EACH ROW EXECUTE FUNCTION points_refund_guard();
CREATE TRIGGER points_refund_no_truncate BEFORE TRUNCATE ON points_refund
    FOR EACH STATEMENT EXECUTE FUNCTION points_refund_guard();
REVOKE DELETE, TRUNCATE ON points_refund FROM {APPLICATION};

-- A refund pays back what points.refunding says, to the smallest unit; a purchase whose money went back otherwise
-- pays nothing back (D5, D32). Before each row, so that the rows of one statement count one after the other.
CREATE FUNCTION points_refund_fits() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    bought public.points_purchase%ROWTYPE := public.points_locked_purchase(NEW.purchase_id);
    leg bigint;
    back_points bigint;
    back_minor bigint;
    parts numeric;
    worth numeric;
BEGIN
    IF bought.kind <> 'card' OR bought.currency <> NEW.currency THEN
        RAISE EXCEPTION 'purchase % was not paid by card in %', NEW.purchase_id, NEW.currency
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT coalesce(-sum(e.points), 0) INTO leg
        FROM public.points_entry e
        JOIN public.points_lot lot ON lot.id = e.lot_id
        JOIN public.points_giveback back ON back.charge_id = e.charge_id
        WHERE back.id = NEW.giveback_id AND back.means = 'card' AND e.cause = 'charge'
          AND lot.purchase_id = NEW.purchase_id;
    IF NEW.points <> leg THEN
        RAISE EXCEPTION 'purchase % paid % points of that charge, the refund is of %', bought.id, leg, NEW.points
            USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM public.points_hold h WHERE h.purchase_id = bought.id AND NOT EXISTS (
                   SELECT FROM public.points_holdnews n WHERE n.hold_id = h.id
                   AND n.status IN ('won', 'warning_closed', 'failed', 'canceled'))) THEN
        RAISE EXCEPTION 'the money of purchase % went back otherwise', bought.id USING ERRCODE = 'check_violation';
    END IF;
    SELECT coalesce(sum(points), 0), coalesce(sum(amount_minor), 0) INTO back_points, back_minor
        FROM public.points_refund WHERE purchase_id = bought.id AND state <> 'failed';
    parts := bought.amount_minor::numeric * (back_points + NEW.points);
    worth := div(parts, bought.points);
    parts := 2 * (parts - worth * bought.points);
    IF parts > bought.points OR (parts = bought.points AND worth % 2 = 1) THEN
        worth := worth + 1;
    END IF;
    IF back_points + NEW.points > bought.points OR NEW.amount_minor <> worth - back_minor THEN
        RAISE EXCEPTION 'purchase % of % points for %: % points paid back with %, % more are not worth %',
            bought.id, bought.points, bought.amount_minor, back_points, back_minor, NEW.points, NEW.amount_minor
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER points_refund_fits BEFORE INSERT ON points_refund
    FOR EACH ROW EXECUTE FUNCTION points_refund_fits();

-- At the end of the transaction every leg of a charge that goes back to cards has its refund, and a refund
-- that failed for good has its points again; no other leg has.
CREATE FUNCTION points_card_is_full() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    back public.points_giveback%ROWTYPE;
    owed bigint;
    sent bigint;
    failed bigint;
    given bigint;
BEGIN
    SELECT * INTO back FROM public.points_giveback WHERE id = CASE TG_TABLE_NAME
        WHEN 'points_giveback' THEN NEW.id ELSE (to_jsonb(NEW) ->> 'giveback_id')::bigint END;
    SELECT points INTO owed FROM public.points_charge WHERE id = back.charge_id;
    SELECT coalesce(sum(points), 0), coalesce(sum(points) FILTER (WHERE state = 'failed'), 0) INTO sent, failed
        FROM public.points_refund WHERE giveback_id = back.id;
    SELECT coalesce(sum(points), 0) INTO given FROM public.points_entry
        WHERE charge_id = back.charge_id AND cause = 'credit';
    IF owed <> sent OR failed <> given THEN
        RAISE EXCEPTION 'charge % of % points: refunds of %, % of them failed, % credited',
            back.charge_id, owed, sent, failed, given USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER points_giveback_has_refunds AFTER INSERT ON points_giveback DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.means = 'card') EXECUTE FUNCTION points_card_is_full();
CREATE CONSTRAINT TRIGGER points_refund_is_full AFTER INSERT OR UPDATE ON points_refund DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION points_card_is_full();

-- Runs after points_entry_counts, by its name. A credit of a charge that goes back to cards is one whose refund failed.
CREATE FUNCTION points_entry_of_card() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF EXISTS (SELECT FROM public.points_giveback back JOIN public.points_lot lot ON lot.id = NEW.lot_id
               WHERE back.charge_id = NEW.charge_id AND back.means = 'card' AND NOT EXISTS (
                   SELECT FROM public.points_refund r
                   WHERE r.giveback_id = back.id AND r.purchase_id = lot.purchase_id AND r.state = 'failed')) THEN
        RAISE EXCEPTION 'charge % goes back to the card', NEW.charge_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER points_entry_of_card AFTER INSERT ON points_entry
    FOR EACH ROW WHEN (NEW.cause = 'credit') EXECUTE FUNCTION points_entry_of_card();
REVOKE EXECUTE ON FUNCTION points_refund_fits(), points_card_is_full() FROM PUBLIC;
"""

HOLDS = """
-- A hold marks the lots of its purchase, also those that are credited later, until it is decided.
CREATE FUNCTION points_is_held(purchase bigint) RETURNS boolean LANGUAGE sql STABLE
    SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (SELECT FROM public.points_hold h WHERE h.purchase_id = purchase
                   AND NOT EXISTS (SELECT FROM public.points_holddecision d WHERE d.hold_id = h.id))
$$;
-- A lot is of its purchase, and begins on hold where that is.
CREATE FUNCTION points_lot_fits() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    bought public.points_purchase%ROWTYPE := public.points_locked_purchase(NEW.purchase_id);
BEGIN
    IF bought.customer_id <> NEW.customer_id THEN
        RAISE EXCEPTION 'the lot is of another customer than purchase %', bought.id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.origin = 'purchase' AND (NEW.points, NEW.bought_at) IS DISTINCT FROM (bought.points, bought.bought_at) THEN
        RAISE EXCEPTION 'purchase % is of % points at %, the lot of % at %',
            bought.id, bought.points, bought.bought_at, NEW.points, NEW.bought_at USING ERRCODE = 'check_violation';
    END IF;
    NEW.held := public.points_is_held(NEW.purchase_id);
    RETURN NEW;
END $$;
CREATE TRIGGER points_lot_fits BEFORE INSERT ON points_lot FOR EACH ROW EXECUTE FUNCTION points_lot_fits();

CREATE FUNCTION points_hold_marks() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    bought bigint;
    standing boolean;
BEGIN
    IF TG_TABLE_NAME = 'points_hold' THEN
        bought := (to_jsonb(NEW) ->> 'purchase_id')::bigint;
    ELSE
        SELECT purchase_id INTO bought FROM public.points_hold WHERE id = (to_jsonb(NEW) ->> 'hold_id')::bigint;
    END IF;
    PERFORM public.points_locked_purchase(bought);
    standing := public.points_is_held(bought);
    UPDATE public.points_lot SET held = standing WHERE purchase_id = bought AND held <> standing;
    RETURN NULL;
END $$;
CREATE TRIGGER points_hold_marks AFTER INSERT ON points_hold
    FOR EACH ROW EXECUTE FUNCTION points_hold_marks();
CREATE TRIGGER points_hold_marks AFTER INSERT ON points_holddecision
    FOR EACH ROW EXECUTE FUNCTION points_hold_marks();

-- Runs after points_entry_counts, by its name, which holds the lot's lock.
CREATE FUNCTION points_entry_of_held() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
    lot public.points_lot%ROWTYPE;
BEGIN
    SELECT * INTO lot FROM public.points_lot WHERE id = NEW.lot_id;
    IF lot.held <> (NEW.cause = 'writeoff') THEN
        RAISE EXCEPTION 'a % of lot %: points on hold are not spent, and only they are written off',
            NEW.cause, NEW.lot_id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.cause = 'writeoff' AND (lot.remaining <> 0 OR NEW.at >= lot.expires_at) THEN
        RAISE EXCEPTION 'lot % is written off whole, and before it expires', lot.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER points_entry_of_held AFTER INSERT ON points_entry
    FOR EACH ROW WHEN (NEW.cause IN ('charge', 'writeoff')) EXECUTE FUNCTION points_entry_of_held();

-- At the end of the transaction the points written off of a purchase are those that somebody decided to.
CREATE FUNCTION points_writeoff_is_decided() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public AS $$
DECLARE
    bought bigint;
    gone bigint;
    decided bigint;
BEGIN
    IF TG_TABLE_NAME = 'points_entry' THEN
        SELECT purchase_id INTO bought FROM public.points_lot WHERE id = (to_jsonb(NEW) ->> 'lot_id')::bigint;
    ELSE
        SELECT purchase_id INTO bought FROM public.points_hold WHERE id = (to_jsonb(NEW) ->> 'hold_id')::bigint;
    END IF;
    SELECT coalesce(-sum(e.points), 0) INTO gone FROM public.points_entry e
        JOIN public.points_lot lot ON lot.id = e.lot_id WHERE lot.purchase_id = bought AND e.cause = 'writeoff';
    SELECT coalesce(sum(d.points), 0) INTO decided FROM public.points_holddecision d
        JOIN public.points_hold h ON h.id = d.hold_id WHERE h.purchase_id = bought AND d.outcome = 'written_off';
    IF gone <> decided THEN
        RAISE EXCEPTION 'purchase %: % points written off, % decided', bought, gone, decided
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER points_writeoff_is_decided AFTER INSERT ON points_entry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.cause = 'writeoff') EXECUTE FUNCTION points_writeoff_is_decided();
CREATE CONSTRAINT TRIGGER points_writeoff_is_decided AFTER INSERT ON points_holddecision DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.outcome = 'written_off') EXECUTE FUNCTION points_writeoff_is_decided();
REVOKE EXECUTE ON FUNCTION points_lot_fits(), points_hold_marks() FROM PUBLIC;
"""

BACK = f"""
DROP TRIGGER points_writeoff_is_decided ON points_holddecision;
DROP TRIGGER points_writeoff_is_decided ON points_entry;
DROP FUNCTION points_writeoff_is_decided();
DROP TRIGGER points_entry_of_held ON points_entry;
DROP FUNCTION points_entry_of_held();
DROP TRIGGER points_hold_marks ON points_holddecision;
DROP TRIGGER points_hold_marks ON points_hold;
DROP FUNCTION points_hold_marks();
DROP TRIGGER points_lot_fits ON points_lot;
DROP FUNCTION points_lot_fits();
DROP FUNCTION points_is_held(bigint);
DROP TRIGGER points_entry_of_card ON points_entry;
DROP FUNCTION points_entry_of_card();
DROP TRIGGER points_refund_is_full ON points_refund;
DROP TRIGGER points_giveback_has_refunds ON points_giveback;
DROP FUNCTION points_card_is_full();
DROP TRIGGER points_refund_fits ON points_refund;
DROP FUNCTION points_refund_fits();
DROP TRIGGER points_refund_no_truncate ON points_refund;
DROP TRIGGER points_refund_guard ON points_refund;
DROP FUNCTION points_refund_guard();
GRANT DELETE ON points_refund TO {APPLICATION};
DROP TRIGGER points_purchase_is_whole ON points_purchase;
DROP FUNCTION points_purchase_is_whole();
DROP TRIGGER points_payment_no_truncate ON points_payment;
DROP TRIGGER points_payment_guard ON points_payment;
DROP FUNCTION points_payment_guard();
GRANT DELETE ON points_payment TO {APPLICATION};
DROP FUNCTION points_locked_purchase(bigint);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('people', '0001_initial'),
        ('points', '0004_warnings'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('chargeback', 'chargeback'), ('refund', 'refund at the provider')], max_length=12, verbose_name='kind')),
                ('provider_ref', models.CharField(max_length=255, unique=True, verbose_name='its reference')),
                ('amount_minor', models.PositiveBigIntegerField(verbose_name='amount')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('reason', models.CharField(blank=True, max_length=500, verbose_name='the provider’s word')),
                ('happened_at', models.DateTimeField(verbose_name='happened')),
                ('placed_at', models.DateTimeField(verbose_name='placed')),
            ],
            options={
                'verbose_name': 'hold',
                'verbose_name_plural': 'holds',
                'ordering': ['placed_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='HoldDecision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('outcome', models.CharField(choices=[('released', 'released'), ('written_off', 'written off')], max_length=12, verbose_name='outcome')),
                ('points', models.PositiveIntegerField(help_text='How many were left of it then.', verbose_name='points')),
                ('reason', models.CharField(max_length=500, verbose_name='reason')),
                ('at', models.DateTimeField(verbose_name='decided')),
                ('key', models.CharField(max_length=100, unique=True)),
            ],
            options={
                'verbose_name': 'decision on a hold',
                'verbose_name_plural': 'decisions on holds',
                'ordering': ['-at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='HoldNews',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('status', models.CharField(max_length=40, verbose_name='status')),
                ('heard_at', models.DateTimeField(verbose_name='heard')),
            ],
            options={
                'verbose_name': 'news of a hold',
                'verbose_name_plural': 'news of holds',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Pack',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.PositiveIntegerField(unique=True, verbose_name='points')),
                ('active', models.BooleanField(default=True, verbose_name='offered')),
            ],
            options={
                'verbose_name': 'pack',
                'verbose_name_plural': 'packs',
                'ordering': ['points'],
            },
        ),
        migrations.CreateModel(
            name='Payment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.PositiveIntegerField(verbose_name='points')),
                ('amount_minor', models.PositiveBigIntegerField(verbose_name='amount')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('state', models.CharField(choices=[('open', 'not paid yet'), ('paid', 'paid'), ('cancelled', 'given up'), ('contradicted', 'the provider’s record differs')], default='open', max_length=12, verbose_name='state')),
                ('provider_ref', models.CharField(max_length=255, null=True, unique=True, verbose_name='its reference')),
                ('last_error', models.CharField(blank=True, max_length=500, verbose_name='last error')),
                ('started_at', models.DateTimeField(verbose_name='begun')),
                ('looked_at', models.DateTimeField(verbose_name='last looked at')),
                ('key', models.CharField(editable=False, max_length=100, unique=True)),
            ],
            options={
                'verbose_name': 'payment',
                'verbose_name_plural': 'payments',
                'ordering': ['-started_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='Price',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('currency', models.CharField(help_text='ISO 4217, for example EUR.', max_length=3, verbose_name='currency')),
                ('amount_minor', models.PositiveBigIntegerField(help_text='In the currency’s smallest unit.', verbose_name='price')),
            ],
            options={
                'verbose_name': 'price',
                'verbose_name_plural': 'prices',
                'ordering': ['pack__points', 'currency'],
            },
        ),
        migrations.CreateModel(
            name='ProviderEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event_ref', models.CharField(max_length=255, unique=True, verbose_name='event')),
                ('kind', models.CharField(max_length=100, verbose_name='kind')),
                ('payment_ref', models.CharField(blank=True, db_index=True, max_length=255, verbose_name='payment')),
                ('received_at', models.DateTimeField(verbose_name='received')),
                ('deliveries', models.PositiveIntegerField(default=1, verbose_name='deliveries')),
                ('outcome', models.CharField(blank=True, choices=[('', 'not yet handled'), ('applied', 'looked after'), ('unknown', 'of no payment of ours'), ('ignored', 'of no interest'), ('contradicts', 'contradicts our records')], default='', max_length=12, verbose_name='outcome')),
                ('tries', models.PositiveIntegerField(default=0, verbose_name='tries')),
                ('next_try_at', models.DateTimeField(verbose_name='next try')),
                ('last_error', models.CharField(blank=True, max_length=500, verbose_name='last error')),
                ('handled_at', models.DateTimeField(null=True, verbose_name='handled')),
            ],
            options={
                'verbose_name': 'payment event',
                'verbose_name_plural': 'payment events',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Refund',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('points', models.PositiveIntegerField(verbose_name='points')),
                ('amount_minor', models.PositiveBigIntegerField(help_text='In the currency’s smallest unit.', verbose_name='amount')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('key', models.CharField(editable=False, max_length=100, unique=True)),
                ('state', models.CharField(choices=[('pending', 'waiting to be sent'), ('sent', 'on its way'), ('done', 'paid back'), ('failed', 'refused')], default='pending', max_length=8, verbose_name='state')),
                ('provider_ref', models.CharField(max_length=255, null=True, unique=True, verbose_name='its reference')),
                ('word', models.CharField(blank=True, max_length=500, verbose_name='the provider’s word')),
                ('decided_at', models.DateTimeField(verbose_name='decided')),
                ('settled_at', models.DateTimeField(null=True, verbose_name='settled')),
                ('tries', models.PositiveIntegerField(default=0, verbose_name='tries')),
                ('next_try_at', models.DateTimeField(verbose_name='next try')),
                ('claimed_until', models.DateTimeField(null=True)),
                ('fence', models.PositiveIntegerField(default=0, verbose_name='claims')),
                ('last_error', models.CharField(blank=True, max_length=500, verbose_name='last error')),
            ],
            options={
                'verbose_name': 'refund',
                'verbose_name_plural': 'refunds',
                'ordering': ['-decided_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='RefusedCall',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(help_text='UTC', verbose_name='day')),
                ('reason', models.CharField(max_length=40, verbose_name='reason')),
                ('times', models.PositiveIntegerField(default=1, verbose_name='times')),
                ('last_at', models.DateTimeField(verbose_name='last')),
            ],
            options={
                'verbose_name': 'refused call',
                'verbose_name_plural': 'refused calls',
                'ordering': ['-day', 'reason'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='entry',
            name='entry_cause_known',
        ),
        migrations.AddField(
            model_name='lot',
            name='held',
            field=models.BooleanField(db_default=False, help_text='Kept by the database alone.', verbose_name='on hold'),
        ),
        migrations.AddField(
            model_name='purchase',
            name='card_brand',
            field=models.CharField(blank=True, db_default='', max_length=20, verbose_name='card'),
        ),
        migrations.AddField(
            model_name='purchase',
            name='card_last4',
            field=models.CharField(blank=True, db_default='', max_length=4, verbose_name='card ends in'),
        ),
        migrations.AlterField(
            model_name='entry',
            name='cause',
            field=models.CharField(choices=[('purchase', 'Bought or granted'), ('credit', 'Credited'), ('charge', 'Incident'), ('expiry', 'Expired'), ('writeoff', 'Written off')], max_length=8, verbose_name='cause'),
        ),
        migrations.AddConstraint(
            model_name='entry',
            constraint=models.CheckConstraint(condition=models.Q(('cause__in', ['purchase', 'credit', 'charge', 'expiry', 'writeoff'])), name='entry_cause_known'),
        ),
        migrations.AddConstraint(
            model_name='purchase',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('amount_minor__gt', 0), ('kind', 'card'), models.Q(('provider', ''), _negated=True), models.Q(('provider_ref', ''), _negated=True)), models.Q(models.Q(('kind', 'card'), _negated=True), ('card_last4', ''), ('provider', ''), ('provider_ref', '')), _connector='OR'), name='purchase_by_card_has_its_payment'),
        ),
        migrations.AddConstraint(
            model_name='purchase',
            constraint=models.UniqueConstraint(condition=models.Q(('provider', ''), _negated=True), fields=('provider', 'provider_ref'), name='purchase_once_a_payment'),
        ),
        migrations.AddField(
            model_name='hold',
            name='purchase',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='holds', to='points.purchase'),
        ),
        migrations.AddField(
            model_name='holddecision',
            name='actor',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by'),
        ),
        migrations.AddField(
            model_name='holddecision',
            name='hold',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='decision', to='points.hold'),
        ),
        migrations.AddField(
            model_name='holdnews',
            name='hold',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='news', to='points.hold'),
        ),
        migrations.AddConstraint(
            model_name='pack',
            constraint=models.CheckConstraint(condition=models.Q(('points__gte', 1), ('points__lte', 100000)), name='pack_points_in_range'),
        ),
        migrations.AddField(
            model_name='payment',
            name='customer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='people.customer'),
        ),
        migrations.AddField(
            model_name='payment',
            name='purchase',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payment', to='points.purchase'),
        ),
        migrations.AddField(
            model_name='payment',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by'),
        ),
        migrations.AddField(
            model_name='price',
            name='pack',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='prices', to='points.pack'),
        ),
        migrations.AddIndex(
            model_name='providerevent',
            index=models.Index(condition=models.Q(('outcome', '')), fields=['next_try_at', 'id'], name='provider_event_unhandled'),
        ),
        migrations.AddConstraint(
            model_name='providerevent',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('handled_at', None), ('outcome', '')), models.Q(models.Q(('outcome', ''), _negated=True), ('handled_at__isnull', False)), _connector='OR'), name='provider_event_handled_when'),
        ),
        migrations.AddField(
            model_name='refund',
            name='giveback',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='points.giveback'),
        ),
        migrations.AddField(
            model_name='refund',
            name='purchase',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='points.purchase'),
        ),
        migrations.AddConstraint(
            model_name='refusedcall',
            constraint=models.UniqueConstraint(fields=('day', 'reason'), name='refused_call_once_a_day'),
        ),
        migrations.AddConstraint(
            model_name='hold',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['chargeback', 'refund'])), name='hold_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='holddecision',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='hold_decision_has_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='holddecision',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['released', 'written_off'])), name='hold_outcome_known'),
        ),
        migrations.AddConstraint(
            model_name='holdnews',
            constraint=models.UniqueConstraint(fields=('hold', 'status'), name='hold_news_once'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['looked_at'], name='payment_open'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('provider_ref__isnull', False), ('purchase__isnull', False), ('state', 'paid')), models.Q(models.Q(('state', 'paid'), _negated=True), ('purchase', None)), _connector='OR'), name='payment_paid_has_its_purchase'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['open', 'paid', 'cancelled', 'contradicted'])), name='payment_state_known'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0), ('points__gte', 1), ('points__lte', 100000)), name='payment_in_range'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.UniqueConstraint(fields=('pack', 'currency'), name='price_once_a_currency'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0), ('amount_minor__lte', 99999999)), name='price_in_range'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='price_currency_is_one'),
        ),
        migrations.AddIndex(
            model_name='refund',
            index=models.Index(condition=models.Q(('state__in', ['pending', 'sent'])), fields=['next_try_at', 'id'], name='refund_due'),
        ),
        migrations.AddIndex(
            model_name='refund',
            index=models.Index(condition=models.Q(('state', 'failed'), _negated=True), fields=['purchase'], name='refund_live'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.UniqueConstraint(fields=('giveback', 'purchase'), name='refund_once_a_leg'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0), ('points__gt', 0)), name='refund_has_money'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'sent', 'done', 'failed'])), name='refund_state_known'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('settled_at', None), ('state__in', ['pending', 'sent'])), models.Q(('settled_at__isnull', False), ('state__in', ['done', 'failed'])), _connector='OR'), name='refund_settled_when'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'failed']), ('provider_ref__isnull', False), _connector='OR'), name='refund_sent_has_its_reference'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(('settled_at', None), ('settled_at__gte', models.F('decided_at')), _connector='OR'), name='refund_settled_after'),
        ),
        *(
            migrations.RunSQL(*append_only(table))
            for table in ("points_hold", "points_holdnews", "points_holddecision")
        ),
        migrations.RunSQL(NEW_GUARD, OLD_GUARD),
        migrations.RunSQL(LOCKED + SALES + REFUNDS + HOLDS, BACK),
        migrations.RunSQL(PACKS, migrations.RunSQL.noop),
    ]
