# --- !Ups
CREATE INDEX a ON t (a);
# --- !Downs
DROP INDEX a;
