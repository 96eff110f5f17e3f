CREATE INDEX "posts_title_index" ON "posts" ("title");
CREATE INDEX "posts_recent_index" ON "posts" ("created_at") WHERE id > 100;
COMMENT ON INDEX "posts_recent_index" IS 'the latest';
CREATE UNIQUE INDEX "users_email_index" ON "users" (lower(email));
