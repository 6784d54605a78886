#!/bin/sh
# Runs once in the PostgreSQL container, on an empty data folder: the roles, their passwords, the database.
set -eu
: "${DESK_OWNER_PASSWORD:?the password of the role that makes and migrates}"
: "${DESK_APP_PASSWORD:?the password of the role that the application signs in with}"

psql -X -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -f /desk/database.sql
# psql reads the passwords from the environment, so that none stands in a list of processes.
psql -X -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres <<'SQL'
\getenv owner_password DESK_OWNER_PASSWORD
\getenv app_password DESK_APP_PASSWORD
ALTER ROLE desk_owner PASSWORD :'owner_password';
ALTER ROLE desk_app PASSWORD :'app_password';
SQL
