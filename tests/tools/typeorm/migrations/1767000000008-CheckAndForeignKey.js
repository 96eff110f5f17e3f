const { TableCheck, TableForeignKey } = require('typeorm');

module.exports.CheckAndForeignKey = class CheckAndForeignKey {
  name = 'CheckAndForeignKey1767000000008';

  async up(queryRunner) {
    await queryRunner.createCheckConstraint('products', new TableCheck({ name: 'CHK_price', expression: 'price >= 0' }));
    await queryRunner.createForeignKey(
      'products',
      new TableForeignKey({
        name: 'FK_products_owner',
        columnNames: ['owner_id'],
        referencedTableName: 'users',
        referencedColumnNames: ['id'],
      }),
    );
  }

  async down() {}
};
