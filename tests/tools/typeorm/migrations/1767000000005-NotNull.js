module.exports.NotNull = class NotNull {
  name = 'NotNull1767000000005';

  async up(queryRunner) {
    await queryRunner.query(`ALTER TABLE "users" ALTER COLUMN "email" SET NOT NULL`);
    await queryRunner.query(`ALTER TABLE "posts" ALTER COLUMN "author_id" SET NOT NULL`);
  }

  async down() {}
};
