ALTER TABLE users ALTER COLUMN email SET NOT NULL;
ALTER TABLE posts ALTER author_id SET NOT NULL, ALTER COLUMN title SET DEFAULT 'untitled';
INSERT INTO schema_history VALUES (5, 'not_null');
