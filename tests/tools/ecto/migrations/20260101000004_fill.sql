UPDATE "users" AS u0 SET "age" = 18 WHERE (u0."age" IS NULL);
UPDATE "posts" AS p0 SET "author_id" = p0."id" WHERE (p0."author_id" IS NULL);
