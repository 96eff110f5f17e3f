ALTER TABLE products VALIDATE CONSTRAINT products_stock_check;
ALTER TABLE posts VALIDATE CONSTRAINT body_is_there;
ALTER TABLE products VALIDATE CONSTRAINT products_origin_id_fkey;
ALTER TABLE posts ALTER COLUMN body SET NOT NULL;
ALTER TABLE posts DROP CONSTRAINT body_is_there;
