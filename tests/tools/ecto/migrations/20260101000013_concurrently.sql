-- @disable_ddl_transaction true, @disable_migration_lock true
CREATE INDEX CONCURRENTLY "posts_created_at_index" ON "posts" ("created_at");
