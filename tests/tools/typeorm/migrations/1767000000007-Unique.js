const { TableUnique } = require('typeorm');

module.exports.Unique = class Unique {
  name = 'Unique1767000000007';

  async up(queryRunner) {
    await queryRunner.createUniqueConstraint(
      'products',
      new TableUnique({ name: 'UQ_products_sku', columnNames: ['sku'] }),
    );
  }

  async down() {}
};
