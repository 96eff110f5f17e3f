module.exports.Concurrently = class Concurrently {
  name = 'Concurrently1767000000013';
  transaction = false;

  async up(queryRunner) {
    await queryRunner.query(`CREATE INDEX CONCURRENTLY "posts_created_at_idx" ON "posts" ("created_at")`);
  }

  async down() {}
};
