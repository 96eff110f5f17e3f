ALTER TABLE products ADD CONSTRAINT products_price_check CHECK (price >= 0);
ALTER TABLE products ADD CONSTRAINT products_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users (id);
