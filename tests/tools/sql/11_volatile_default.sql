ALTER TABLE products ADD COLUMN uid uuid NOT NULL DEFAULT gen_random_uuid();
