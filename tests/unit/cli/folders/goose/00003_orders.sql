-- +goose Up
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION touch() RETURNS trigger AS $$
BEGIN
  NEW.updated_at = now();
  RETURN NEW;
END;
$$ LANGUAGE plpgsql;
-- +goose StatementEnd
ALTER TABLE orders ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX orders_updated_at_idx
    ON orders (updated_at);
ALTER TABLE orders
  ADD CONSTRAINT orders_customer_fk
  FOREIGN KEY (customer_id) REFERENCES customers (id);

-- +goose Down
ALTER TABLE orders DROP CONSTRAINT orders_customer_fk;
DROP INDEX orders_updated_at_idx;
ALTER TABLE orders DROP COLUMN updated_at;
DROP FUNCTION touch;
