"""What the text does not show and a name does not tell: found by statements put together at random."""

MADE = """
CREATE FUNCTION noted(int, int) RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN 1; END';
CREATE FUNCTION calm(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END';
CREATE OPERATOR %% (FUNCTION = noted, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR %%% (FUNCTION = calm, LEFTARG = int, RIGHTARG = int);
CREATE TYPE tagged AS (x int);
CREATE FUNCTION tag(int) RETURNS tagged LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN row($1); END';
CREATE CAST (int AS tagged) WITH FUNCTION tag(int) AS ASSIGNMENT;
CREATE TABLE w (id int PRIMARY KEY, a int);
CREATE TABLE old (c varchar(20), d int, e varchar(20), f varchar(20), g varchar(20));
CREATE TABLE young (own int, CONSTRAINT only_below CHECK (c <> 'q')) INHERITS (old);
CREATE INDEX young_e ON young (lower(e)); CREATE INDEX young_f ON young (f); CREATE INDEX young_g ON young (d) WHERE g IS NOT NULL;
CREATE TABLE youngest () INHERITS (young);
ALTER TABLE youngest ADD CONSTRAINT lowest CHECK (d > 0);
CREATE TABLE cut (k int, c varchar(20), d varchar(20)) PARTITION BY LIST (k);
CREATE TABLE cut_1 PARTITION OF cut FOR VALUES IN (1);
ALTER TABLE cut_1 ADD CONSTRAINT only_part CHECK (c <> 'q'); CREATE INDEX ON cut_1 (d);
CREATE TABLE many (id int, c varchar(5)[], d varchar(5)[], e varchar(5)[], m mood, t varchar(5));
CREATE INDEX ON many USING hash (c); CREATE INDEX ON many USING gin (d); CREATE INDEX ON many (e);
CREATE INDEX ON many USING hash (m); CREATE INDEX ON many USING hash (t);
CREATE TABLE called (c name, d text); CREATE INDEX ON called (c); CREATE INDEX ON called (d);
INSERT INTO w SELECT i, i FROM generate_series(1, 100) AS i;
INSERT INTO youngest (c, d) SELECT 'c', i FROM generate_series(1, 100) AS i;
INSERT INTO called SELECT i::text, i::text FROM generate_series(1, 100) AS i;
INSERT INTO many (id) SELECT generate_series(1, 100);
"""

ROWS = """
ALTER TABLE w ADD COLUMN z int DEFAULT 1 %% 2
ALTER TABLE w ADD COLUMN z int DEFAULT 1 OPERATOR(public.%%) 2
ALTER TABLE w ADD COLUMN z int DEFAULT 1 %%% 2
ALTER TABLE w ADD COLUMN z int DEFAULT 1 % 2
ALTER TABLE w ADD COLUMN z tagged DEFAULT 1
ALTER TABLE w ADD COLUMN z text DEFAULT 1::tagged::text
ALTER TABLE w ADD COLUMN z text DEFAULT CAST(1 AS public.tagged)::text
ALTER TABLE w ADD COLUMN z tagged
ALTER TABLE called ALTER c TYPE name
ALTER TABLE called ALTER c TYPE name COLLATE "C"
ALTER TABLE called ALTER c TYPE name COLLATE "default"
ALTER TABLE called ALTER d TYPE text COLLATE "C"
ALTER TABLE w ADD COLUMN z text DEFAULT 'tagged'
ALTER TABLE w ADD COLUMN z int DEFAULT steady()
ALTER TABLE w ADD COLUMN z timestamp DEFAULT timezone('utc', now())
ALTER TABLE w ADD COLUMN z timestamp DEFAULT timezone('utc'::text, CURRENT_TIMESTAMP)
ALTER TABLE w ADD COLUMN z timetz DEFAULT timezone('utc', CURRENT_TIME)
ALTER TABLE w ALTER a TYPE int USING w.a
ALTER TABLE w ALTER a TYPE int USING w.a::int
ALTER TABLE w ALTER a TYPE int USING public.w.a
ALTER TABLE w ALTER a TYPE int USING CAST(w.a AS int)
ALTER TABLE w ALTER a TYPE int USING w.id
ALTER TABLE w ALTER a TYPE bigint USING w.a
ALTER TABLE old ALTER c TYPE varchar(30)
ALTER TABLE old ALTER d TYPE int
ALTER TABLE old ALTER e TYPE varchar(30)
ALTER TABLE old ALTER f TYPE varchar(30)
ALTER TABLE old ALTER f TYPE text COLLATE "C"
ALTER TABLE old ALTER g TYPE text
ALTER TABLE ONLY old ALTER c TYPE varchar(30)
ALTER TABLE old ALTER c TYPE text, DROP COLUMN d
ALTER TABLE young ALTER own TYPE int
ALTER TABLE cut ALTER c TYPE varchar(30)
ALTER TABLE cut ALTER d TYPE varchar(30)
ALTER TABLE cut ALTER d TYPE varchar(30) COLLATE "C"
ALTER TABLE many ALTER c TYPE varchar(5)[]
ALTER TABLE many ALTER d TYPE varchar(5)[]
ALTER TABLE many ALTER e TYPE varchar(5)[]
ALTER TABLE many ALTER m TYPE mood
ALTER TABLE many ALTER t TYPE varchar(9)
ALTER TABLE many ALTER t TYPE varchar(9), DROP COLUMN c
ALTER TABLE many ALTER c TYPE varchar(5)[], DROP COLUMN d
"""
