BEGIN;
CREATE TABLE categories (id serial PRIMARY KEY, slug varchar(50) NOT NULL, name text NOT NULL);
CREATE UNIQUE INDEX ON categories (slug);
COMMIT;
INSERT INTO schema_history VALUES (2, 'categories');
