const { TableColumn, TableIndex } = require('typeorm');

module.exports.Slug = class Slug {
  name = 'Slug1767000000017';

  async up(queryRunner) {
    await queryRunner.addColumn('posts', new TableColumn({ name: 'slug', type: 'text', isNullable: true }));
    await queryRunner.createIndex('posts', new TableIndex({ name: 'posts_slug_idx', columnNames: ['slug'] }));
  }

  async down(queryRunner) {
    await queryRunner.dropIndex('posts', 'posts_slug_idx');
    await queryRunner.dropColumn('posts', 'slug');
  }
};
