CREATE TABLE "categories" ("id" bigserial, "slug" varchar(255) NOT NULL, "name" varchar(255) NOT NULL, PRIMARY KEY ("id"));
CREATE UNIQUE INDEX "categories_slug_index" ON "categories" ("slug");
CREATE INDEX "categories_name_index" ON "categories" ("name");
