module.exports.Fill = class Fill {
  name = 'Fill1767000000004';

  async up(queryRunner) {
    await queryRunner.query(`UPDATE "users" SET "age" = $1 WHERE "age" IS NULL`, [18]);
    await queryRunner.query(`UPDATE "posts" SET "author_id" = "id" WHERE "author_id" IS NULL`);
  }

  async down() {}
};
