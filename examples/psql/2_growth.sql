-- What follows blocks the shop when it goes straight to the server, and does not through Interlock.
CREATE INDEX orders_placed_at_idx ON orders (placed_at);
CREATE UNIQUE INDEX customers_email_idx ON customers (lower(email));
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT;
ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total >= 0);
ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL;
ALTER TABLE orders ADD CONSTRAINT orders_number_key UNIQUE (number);
CREATE INDEX orders_total_idx ON orders (total);
DROP INDEX orders_total_idx;
