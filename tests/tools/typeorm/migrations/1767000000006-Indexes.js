const { TableIndex } = require('typeorm');

module.exports.Indexes = class Indexes {
  name = 'Indexes1767000000006';

  async up(queryRunner) {
    await queryRunner.createIndex('posts', new TableIndex({ name: 'IDX_posts_title', columnNames: ['title'] }));
    await queryRunner.query(`CREATE INDEX "IDX_posts_recent" ON "posts" ("created_at") WHERE id > 100`);
    await queryRunner.createIndex(
      'users',
      new TableIndex({ name: 'IDX_users_email', columnNames: ['email'], isUnique: true }),
    );
  }

  async down() {}
};
