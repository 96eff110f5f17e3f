SET LOCAL lock_timeout TO '5s';
SET LOCAL statement_timeout TO '100s';
ALTER TABLE "products" ADD COLUMN "note" text;
