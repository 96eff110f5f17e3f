ALTER TABLE ${schema}.orders ALTER COLUMN state SET NOT NULL;
ALTER TABLE ${schema}.orders OWNER TO ${owner};
INSERT INTO ${schema}.settings VALUES ('${key}', 'a''b');
