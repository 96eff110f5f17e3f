ALTER TABLE posts ADD COLUMN token_id uuid REFERENCES tokens;
CREATE INDEX ON posts (token_id);
UPDATE tokens SET label = 'new' WHERE id < '80000000-0000-0000-0000-000000000000';
UPDATE tokens SET label = 'new' WHERE id >= '80000000-0000-0000-0000-000000000000';
INSERT INTO schema_history VALUES (14, 'uuid_keys');
