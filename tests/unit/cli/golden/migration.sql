-- a migration with a bit of everything
CREATE TABLE customers (id bigint PRIMARY KEY, email text);
CREATE INDEX customers_email_idx ON customers (email);

CREATE INDEX orders_email_idx ON orders (email);
ALTER TABLE public.orders
	ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers (id),
	ALTER COLUMN total SET NOT NULL;

BEGIN;
DROP INDEX orders_old_idx;
COMMIT;

SET interlock.allow = 'index-not-concurrent: nobody reads the archive';
CREATE INDEX ON archive (id);
RESET interlock.allow;

SELECT count(*) FROM orders;
DROP TABEL orders;
