-- What careful people write without Interlock: it is left as it is, in a transaction or not.
BEGIN;
SET LOCAL lock_timeout = '2s';
ALTER TABLE products ADD CONSTRAINT products_stock_check CHECK (stock >= 0) NOT VALID;
ALTER TABLE posts ADD CONSTRAINT body_is_there CHECK (body IS NOT NULL) NOT VALID;
ALTER TABLE products ADD FOREIGN KEY (origin_id) REFERENCES products NOT VALID;
COMMIT;
ALTER TABLE products VALIDATE CONSTRAINT products_stock_check;
ALTER TABLE products VALIDATE CONSTRAINT products_origin_id_fkey;
ALTER TABLE posts VALIDATE CONSTRAINT body_is_there;
ALTER TABLE posts ALTER COLUMN body SET NOT NULL;
ALTER TABLE posts DROP CONSTRAINT body_is_there;
INSERT INTO schema_history VALUES (13, 'staged');
