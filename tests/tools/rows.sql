-- The rows that the migrations of every tool find in the tables that its first one made.  What migrations must not
-- find wrong (NULLs, duplicates, negative prices) is not there.
INSERT INTO users (email, name, nickname, age, created_at)
SELECT 'u' || n || '@example.com', 'user ' || n, CASE WHEN n % 3 = 0 THEN 'nick' || n END,
       CASE WHEN n % 10 <> 0 THEN 20 + n % 50 END, timestamptz '2026-01-01 00:00Z' + n * interval '1 minute'
FROM generate_series(1, 3000) n;
INSERT INTO posts (title, body, legacy, created_at)
SELECT 'title ' || n, repeat('x', 50), 'old', timestamptz '2026-01-01 00:00Z' + n * interval '1 minute'
FROM generate_series(1, 3000) n;
INSERT INTO products (sku, price, stock, owner_id)
SELECT 'SKU' || n, n, n % 7, 1 + n % 3000 FROM generate_series(1, 3000) n;
INSERT INTO tokens (id, label) SELECT md5(n::text)::uuid, 'old' FROM generate_series(1, 3000) n;
ANALYZE users, posts, products, tokens;
