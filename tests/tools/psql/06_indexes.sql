CREATE INDEX ON posts (title);
CREATE INDEX posts_recent_idx ON posts USING btree (created_at DESC NULLS LAST) WITH (fillfactor = 80) WHERE id > 100;
CREATE UNIQUE INDEX IF NOT EXISTS users_lower_idx ON public.users (lower(email)) INCLUDE (name);
CREATE INDEX CONCURRENTLY posts_created_at_idx ON posts (created_at);
INSERT INTO schema_history VALUES (6, 'indexes');
