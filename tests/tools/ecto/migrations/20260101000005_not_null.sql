ALTER TABLE "users" ALTER COLUMN "email" TYPE varchar(255), ALTER COLUMN "email" SET NOT NULL;
ALTER TABLE "posts" ALTER COLUMN "author_id" TYPE bigint, ALTER COLUMN "author_id" SET NOT NULL;
