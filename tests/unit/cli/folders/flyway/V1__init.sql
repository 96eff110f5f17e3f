CREATE TABLE ${schema}.orders (id bigint PRIMARY KEY, state text);
CREATE INDEX ON ${schema}.orders (state);
