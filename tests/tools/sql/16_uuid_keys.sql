ALTER TABLE posts ADD COLUMN token_id uuid REFERENCES tokens (id);
CREATE INDEX posts_token_id_idx ON posts (token_id);
UPDATE tokens SET label = 'new' WHERE id < '80000000-0000-0000-0000-000000000000';
UPDATE tokens SET label = 'new' WHERE id >= '80000000-0000-0000-0000-000000000000';
