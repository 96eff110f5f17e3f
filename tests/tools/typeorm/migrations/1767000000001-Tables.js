module.exports.Tables = class Tables {
  name = 'Tables1767000000001';

  async up(queryRunner) {
    await queryRunner.query(`CREATE TABLE "users" ("id" BIGSERIAL NOT NULL, "email" text, "name" text NOT NULL, "nickname" text, "age" integer, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(), CONSTRAINT "PK_users" PRIMARY KEY ("id"))`);
    await queryRunner.query(`CREATE INDEX "users_age_idx" ON "users" ("age") `);
    await queryRunner.query(`CREATE TABLE "posts" ("id" BIGSERIAL NOT NULL, "title" text NOT NULL, "body" text, "legacy" text, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(), CONSTRAINT "PK_posts" PRIMARY KEY ("id"))`);
    await queryRunner.query(`CREATE TABLE "products" ("id" BIGSERIAL NOT NULL, "sku" text NOT NULL, "price" integer NOT NULL, "stock" integer NOT NULL DEFAULT '0', "owner_id" bigint NOT NULL, "origin_id" bigint, CONSTRAINT "PK_products" PRIMARY KEY ("id"))`);
    await queryRunner.query(`CREATE TABLE "tokens" ("id" uuid NOT NULL, "label" text, CONSTRAINT "PK_tokens" PRIMARY KEY ("id"))`);
  }

  async down() {}
};
