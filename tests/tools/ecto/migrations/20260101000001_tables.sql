CREATE TABLE "users" ("id" bigserial, "email" varchar(255), "name" varchar(255) NOT NULL, "nickname" varchar(255), "age" integer, "created_at" timestamptz NOT NULL DEFAULT now(), PRIMARY KEY ("id"));
CREATE INDEX "users_age_index" ON "users" ("age");
CREATE TABLE "posts" ("id" bigserial, "title" varchar(255) NOT NULL, "body" text, "legacy" text, "created_at" timestamptz NOT NULL DEFAULT now(), PRIMARY KEY ("id"));
CREATE TABLE "products" ("id" bigserial, "sku" varchar(255) NOT NULL, "price" integer NOT NULL, "stock" integer DEFAULT 0 NOT NULL, "owner_id" bigint NOT NULL, "origin_id" bigint, PRIMARY KEY ("id"));
CREATE TABLE "tokens" ("id" uuid, "label" varchar(255), PRIMARY KEY ("id"));
