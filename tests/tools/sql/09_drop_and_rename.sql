ALTER TABLE posts DROP COLUMN legacy;
ALTER TABLE users RENAME COLUMN nickname TO handle;
