ALTER TABLE products VALIDATE CONSTRAINT stock_must_not_be_negative;
ALTER TABLE posts VALIDATE CONSTRAINT body_not_null;
ALTER TABLE products VALIDATE CONSTRAINT products_origin_id_fkey;
