ALTER TABLE "posts" ADD COLUMN "slug" varchar(255);
CREATE INDEX "posts_slug_index" ON "posts" ("slug");
-- down
DROP INDEX "posts_slug_index";
ALTER TABLE "posts" DROP COLUMN "slug";
