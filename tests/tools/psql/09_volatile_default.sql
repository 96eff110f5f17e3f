ALTER TABLE products ADD COLUMN uid uuid NOT NULL DEFAULT gen_random_uuid();
INSERT INTO schema_history VALUES (9, 'volatile_default');
