SET LOCAL interlock.allow = 'column-type-rewrite: a maintenance window was announced';
ALTER TABLE products ALTER COLUMN stock TYPE bigint;
