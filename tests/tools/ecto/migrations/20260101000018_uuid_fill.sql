-- @disable_ddl_transaction true, @disable_migration_lock true
SELECT t0."id" FROM "tokens" AS t0 WHERE (t0."id" > '00000000-0000-0000-0000-000000000000') ORDER BY t0."id" LIMIT 400;
UPDATE "tokens" AS t0 SET "label" = 'new' WHERE (t0."id" < '80000000-0000-0000-0000-000000000000');
UPDATE "tokens" AS t0 SET "label" = 'new' WHERE (t0."id" >= '80000000-0000-0000-0000-000000000000');
