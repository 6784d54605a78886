"""People are found as one types, among a hundred thousand of them (D20)."""

from django.db import migrations

# Letters as they are typed without their marks; one character for one, so that an index may hold it.
MARKED = "àáâãäåāăąçćčďđèéêëēĕėęěĝğģìíîïĩīįıķļľłñńņňòóôõöøōőŕřśşšţťùúûüũūůűųýÿźżž"
PLAIN = "aaaaaaaaacccddeeeeeeeeegggiiiiiiiiklllnnnnoooooooorrsssttuuuuuuuuuyyzzz"
assert len(MARKED) == len(PLAIN)

FOLDED = f"""
    CREATE FUNCTION people_folded(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT translate(replace(lower($1), 'ß', 'ss'), '{MARKED}', '{PLAIN}')
    $$;
    CREATE INDEX contact_found_by_name ON people_contact
        USING gin (people_folded(name) gin_trgm_ops) WHERE removed_at IS NULL;
    CREATE INDEX contact_found_by_email ON people_contact
        USING gin (lower(email) gin_trgm_ops) WHERE removed_at IS NULL;
    CREATE INDEX contact_found_by_phone ON people_contact
        (reverse(phone) text_pattern_ops) WHERE removed_at IS NULL AND phone <> '';
    CREATE INDEX customer_found_by_name ON people_customer USING gin (people_folded(name) gin_trgm_ops);
"""
BACK = """
    DROP INDEX customer_found_by_name;
    DROP INDEX contact_found_by_phone;
    DROP INDEX contact_found_by_email;
    DROP INDEX contact_found_by_name;
    DROP FUNCTION people_folded(text);
"""


class Migration(migrations.Migration):
    dependencies = [("people", "0001_initial")]

    operations = [migrations.RunSQL(FOLDED, BACK)]
