const { TableColumn, TableForeignKey, TableIndex } = require('typeorm');

module.exports.UuidKeys = class UuidKeys {
  name = 'UuidKeys1767000000016';

  async up(queryRunner) {
    await queryRunner.addColumn('posts', new TableColumn({ name: 'token_id', type: 'uuid', isNullable: true }));
    await queryRunner.createForeignKey(
      'posts',
      new TableForeignKey({
        name: 'FK_posts_token',
        columnNames: ['token_id'],
        referencedTableName: 'tokens',
        referencedColumnNames: ['id'],
      }),
    );
    await queryRunner.createIndex('posts', new TableIndex({ name: 'IDX_posts_token', columnNames: ['token_id'] }));
    await queryRunner.query(`UPDATE "tokens" SET "label" = 'new' WHERE "id" < $1`, ['80000000-0000-0000-0000-000000000000']);
    await queryRunner.query(`UPDATE "tokens" SET "label" = 'new' WHERE "id" >= $1`, ['80000000-0000-0000-0000-000000000000']);
  }

  async down() {}
};
