CREATE TABLE users (
    id bigserial PRIMARY KEY,
    email text,
    name text NOT NULL,
    nickname text,
    age int,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX users_age_idx ON users (age);
CREATE TABLE posts (
    id bigserial PRIMARY KEY,
    title text NOT NULL,
    body text,
    legacy text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE products (
    id bigserial PRIMARY KEY,
    sku text NOT NULL,
    price int NOT NULL,
    stock int NOT NULL DEFAULT 0,
    owner_id bigint NOT NULL,
    origin_id bigint
);
CREATE TABLE tokens (id uuid PRIMARY KEY, label text);
