"""The ledger's promises, kept by the database (D1, D6, D40). Each is tested in tests/points/test_database.py.

Functions that move or judge a lot are SECURITY DEFINER with a fixed search_path: the application's role may
insert entries, but not touch a lot.
"""

from django.db import migrations

from supportdesk.roles import APPLICATION, append_only


LEDGER = f"""
INSERT INTO points_ledgersetting (clock_tolerance) VALUES (interval '5 minutes');
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON points_ledgersetting FROM {APPLICATION};

-- A lot begins empty; its first entry fills it. So entries are the whole truth.
CREATE FUNCTION points_lot_begins_empty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.remaining := 0;
    RETURN NEW;
END $$;
CREATE TRIGGER points_lot_begins_empty BEFORE INSERT ON points_lot
    FOR EACH ROW EXECUTE FUNCTION points_lot_begins_empty();

-- A lot changes in one way only: an entry moves what is left of it.
CREATE FUNCTION points_lot_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND pg_trigger_depth() > 1
       AND to_jsonb(NEW) - 'remaining' = to_jsonb(OLD) - 'remaining' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a lot changes by entries only: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER points_lot_guard BEFORE UPDATE OR DELETE ON points_lot
    FOR EACH ROW EXECUTE FUNCTION points_lot_guard();
CREATE TRIGGER points_lot_no_truncate BEFORE TRUNCATE ON points_lot
    FOR EACH STATEMENT EXECUTE FUNCTION points_lot_guard();
REVOKE UPDATE, DELETE, TRUNCATE ON points_lot FROM {APPLICATION};

CREATE FUNCTION points_entry_counts() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    lot public.points_lot%ROWTYPE;
    paid public.points_charge%ROWTYPE;
    tolerance interval;
BEGIN
    -- Foreign keys are checked at commit only: what is not there yet cannot be judged, so it is refused.
    SELECT * INTO lot FROM public.points_lot WHERE id = NEW.lot_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no lot %', NEW.lot_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    SELECT clock_tolerance INTO STRICT tolerance FROM public.points_ledgersetting;
    IF NEW.customer_id <> lot.customer_id THEN
        RAISE EXCEPTION 'entry and lot % are of different customers', lot.id USING ERRCODE = 'check_violation';
    END IF;
    IF abs(extract(epoch FROM clock_timestamp() - NEW.recorded_at)) > extract(epoch FROM tolerance) THEN
        RAISE EXCEPTION 'recorded_at % is off the database''s clock', NEW.recorded_at USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.charge_id IS NOT NULL THEN
        SELECT * INTO paid FROM public.points_charge WHERE id = NEW.charge_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no charge %', NEW.charge_id USING ERRCODE = 'foreign_key_violation';
        END IF;
        IF paid.customer_id <> NEW.customer_id THEN
            RAISE EXCEPTION 'entry and charge % are of different customers', paid.id USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    -- Only an expiry and a purchase may count at another instant than that of being written: each has its own.
    IF NEW.cause NOT IN ('expiry', 'purchase')
       AND abs(extract(epoch FROM NEW.recorded_at - NEW.at)) > extract(epoch FROM tolerance) THEN
        RAISE EXCEPTION 'a % at % is backdated or ahead', NEW.cause, NEW.at USING ERRCODE = 'check_violation';
    END IF;
    CASE NEW.cause
        WHEN 'charge' THEN
            IF NEW.at <> paid.charged_at THEN
                RAISE EXCEPTION 'charge % is of %, its entry of %', paid.id, paid.charged_at, NEW.at
                    USING ERRCODE = 'check_violation';
            END IF;
            IF NEW.at >= lot.expires_at THEN
                RAISE EXCEPTION 'lot % expired at %', lot.id, lot.expires_at USING ERRCODE = 'check_violation';
            END IF;
        WHEN 'expiry' THEN
            IF NEW.at <> lot.expires_at OR NEW.recorded_at + tolerance < lot.expires_at
               OR NEW.points <> -lot.remaining THEN
                RAISE EXCEPTION 'lot % expires at %, whole and not before', lot.id, lot.expires_at
                    USING ERRCODE = 'check_violation';
            END IF;
        WHEN 'purchase', 'credit' THEN
            IF NEW.points <> lot.points OR NEW.cause <> lot.origin THEN
                RAISE EXCEPTION 'lot % is opened with its % points, as a %', lot.id, lot.points, lot.origin
                    USING ERRCODE = 'check_violation';
            END IF;
            -- A purchase counts from its payment, which may be heard of late.
            IF NEW.cause = 'purchase' AND (NEW.at <> lot.bought_at OR NEW.at > NEW.recorded_at + tolerance) THEN
                RAISE EXCEPTION 'lot % was bought at %, its entry counts at %', lot.id, lot.bought_at, NEW.at
                    USING ERRCODE = 'check_violation';
            END IF;
        ELSE NULL;
    END CASE;
    UPDATE public.points_lot SET remaining = remaining + NEW.points WHERE id = NEW.lot_id;
    RETURN NULL;
END $$;
CREATE TRIGGER points_entry_counts AFTER INSERT ON points_entry
    FOR EACH ROW EXECUTE FUNCTION points_entry_counts();

-- At the end of the transaction a charge is paid in full, and a lot is opened.
CREATE FUNCTION points_charge_is_paid() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    owed bigint;
    paid bigint;
    charge bigint;
BEGIN
    charge := CASE TG_TABLE_NAME WHEN 'points_charge' THEN NEW.id ELSE (to_jsonb(NEW) ->> 'charge_id')::bigint END;
    SELECT points INTO owed FROM public.points_charge WHERE id = charge;
    SELECT coalesce(-sum(points), 0) INTO paid FROM public.points_entry WHERE charge_id = charge AND cause = 'charge';
    IF owed <> paid THEN
        RAISE EXCEPTION 'charge % of % points is paid with %', charge, owed, paid USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER points_charge_is_paid AFTER INSERT ON points_charge DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION points_charge_is_paid();
CREATE CONSTRAINT TRIGGER points_entry_pays AFTER INSERT ON points_entry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.cause = 'charge') EXECUTE FUNCTION points_charge_is_paid();

CREATE FUNCTION points_lot_is_opened() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.points_entry WHERE lot_id = NEW.id AND cause IN ('purchase', 'credit')) THEN
        RAISE EXCEPTION 'lot % has no opening entry', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER points_lot_is_opened AFTER INSERT ON points_lot DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION points_lot_is_opened();

-- Who may execute a trigger function may hang it on a table of their own: a temporary one is enough to
-- move a lot without an entry.
REVOKE EXECUTE ON FUNCTION points_entry_counts(), points_charge_is_paid(), points_lot_is_opened() FROM PUBLIC;
"""

BACK = f"""
DROP TRIGGER points_lot_is_opened ON points_lot;
DROP FUNCTION points_lot_is_opened();
DROP TRIGGER points_entry_pays ON points_entry;
DROP TRIGGER points_charge_is_paid ON points_charge;
DROP FUNCTION points_charge_is_paid();
DROP TRIGGER points_entry_counts ON points_entry;
DROP FUNCTION points_entry_counts();
DROP TRIGGER points_lot_no_truncate ON points_lot;
DROP TRIGGER points_lot_guard ON points_lot;
DROP FUNCTION points_lot_guard();
DROP TRIGGER points_lot_begins_empty ON points_lot;
DROP FUNCTION points_lot_begins_empty();
GRANT UPDATE, DELETE ON points_lot TO {APPLICATION};
GRANT INSERT, UPDATE, DELETE ON points_ledgersetting TO {APPLICATION};
DELETE FROM points_ledgersetting;
"""


class Migration(migrations.Migration):
    dependencies = [("points", "0001_initial")]
    operations = [
        *(migrations.RunSQL(*append_only(table)) for table in ("points_purchase", "points_charge", "points_entry")),
        migrations.RunSQL(LEDGER, BACK),
    ]
