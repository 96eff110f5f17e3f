-- Deploy shop:idx to pg
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL search_path TO :"schema";
CREATE INDEX orders_email ON orders (email);
COMMIT;
