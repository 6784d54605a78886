-- Roles, extension and database of the desk, for psql signed in as the superuser. Safe to run again.
-- The embedded server and the PostgreSQL container are both prepared by this file.
-- desk_owner makes and migrates; desk_app reads and writes, and owns nothing (docs/design.md).

SELECT 'CREATE ROLE desk_owner LOGIN CREATEDB'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'desk_owner') \gexec
SELECT 'CREATE ROLE desk_app LOGIN'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'desk_app') \gexec
-- A process that stands still, or whose machine is gone, must not keep a customer's row locked for hours: its
-- transaction ends when a filer's lease does (D29).
ALTER ROLE desk_app SET idle_in_transaction_session_timeout = '5min';

-- Every database that desk_owner makes later is a copy of template1: tests find the extension there.
\connect template1
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

\connect postgres
SELECT 'CREATE DATABASE supportdesk OWNER desk_owner'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'supportdesk') \gexec
REVOKE ALL ON DATABASE supportdesk FROM PUBLIC;
GRANT CONNECT ON DATABASE supportdesk TO desk_app;

\connect supportdesk
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
ALTER SCHEMA public OWNER TO desk_owner;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO desk_app;
