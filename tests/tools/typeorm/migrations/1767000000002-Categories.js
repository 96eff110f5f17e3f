module.exports.Categories = class Categories {
  name = 'Categories1767000000002';

  async up(queryRunner) {
    await queryRunner.query(`CREATE TABLE "categories" ("id" SERIAL NOT NULL, "slug" character varying NOT NULL, "name" text NOT NULL, CONSTRAINT "UQ_slug" UNIQUE ("slug"), CONSTRAINT "PK_categories" PRIMARY KEY ("id"))`);
    await queryRunner.query(`CREATE INDEX "IDX_categories_name" ON "categories" ("name") `);
  }

  async down() {}
};
