CREATE TABLE categories (id serial PRIMARY KEY, slug varchar(50) NOT NULL UNIQUE, name text NOT NULL);
CREATE INDEX categories_name_idx ON categories (name);
