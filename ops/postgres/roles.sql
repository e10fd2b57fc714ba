-- Prepares a new database for a ledger: two roles, neither of them a superuser. Run once, by a superuser, with psql 14
-- or newer, in that database; `docker-compose.yml` runs it when PostgreSQL starts for the first time.
--
--   owner (tpp_owner)  owns the schema and its tables; `tpp migrate` runs with it, and nothing else
--   app (tpp)          reads and writes rows; every part and every other command runs with it
--
-- The triggers of append-only tables refuse UPDATE and DELETE to everybody. Only an owner can drop or disable a trigger,
-- alter a table, or grant TRUNCATE, and the application's role owns nothing and cannot become the owner.
--
-- Passwords are read from the files that TPP_OWNER_PASSWORD_FILE and TPP_APP_PASSWORD_FILE name. Other names of the
-- roles: psql --set=owner=NAME --set=app=NAME.

\set ON_ERROR_STOP on
\if :{?owner} \else \set owner tpp_owner \endif
\if :{?app} \else \set app tpp \endif
\set owner_password `cat "$TPP_OWNER_PASSWORD_FILE"`
\set app_password `cat "$TPP_APP_PASSWORD_FILE"`

BEGIN;

CREATE ROLE :"owner" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'owner_password';
CREATE ROLE :"app" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'app_password';

SELECT current_database() AS database \gset
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"database" TO :"owner", :"app"; -- `tpp check` puts temporary tables over the ledger's

REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO :"owner";
GRANT USAGE ON SCHEMA public TO :"app";

-- Of every table that `tpp migrate` creates, now and later. No TRUNCATE, TRIGGER or REFERENCES.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";

COMMIT;
