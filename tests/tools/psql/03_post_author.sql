ALTER TABLE posts ADD COLUMN author_id bigint REFERENCES users;
INSERT INTO schema_history VALUES (3, 'post_author');
