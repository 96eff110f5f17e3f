CREATE INDEX posts_title_idx ON posts (title);
CREATE INDEX posts_recent_idx ON posts (created_at DESC) WHERE id > 100;
CREATE UNIQUE INDEX users_email_idx ON users (lower(email));
