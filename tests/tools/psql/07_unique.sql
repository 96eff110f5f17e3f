ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE (email);
ALTER TABLE products ADD UNIQUE (sku) DEFERRABLE, ADD PRIMARY KEY (id);
INSERT INTO schema_history VALUES (7, 'unique');
