ALTER TABLE products ADD CONSTRAINT products_price_check CHECK (price >= 0);
ALTER TABLE products ADD FOREIGN KEY (owner_id) REFERENCES users (id) ON DELETE CASCADE;
INSERT INTO schema_history VALUES (8, 'check_and_foreign_key');
