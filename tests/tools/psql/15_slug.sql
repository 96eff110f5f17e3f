ALTER TABLE posts ADD COLUMN slug text;
CREATE INDEX posts_slug_idx ON posts (slug);
INSERT INTO schema_history VALUES (15, 'slug');
