ALTER TABLE posts DROP COLUMN legacy;
ALTER TABLE users RENAME nickname TO handle;
INSERT INTO schema_history VALUES (11, 'drop_and_rename');
