const { TableColumn, TableIndex } = require('typeorm');

module.exports.Slug = class Slug {
  name = 'Slug1767000000011';

  async up(queryRunner) {
    await queryRunner.addColumn('posts', new TableColumn({ name: 'slug', type: 'text', isNullable: true }));
    await queryRunner.createIndex('posts', new TableIndex({ name: 'posts_slug_idx', columnNames: ['slug'] }));
  }

  async down() {}
};
