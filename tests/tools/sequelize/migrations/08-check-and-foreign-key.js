module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.addConstraint('products', {
      fields: ['price'],
      type: 'check',
      name: 'products_price_check',
      where: { price: { [Sequelize.Op.gte]: 0 } },
    });
    await queryInterface.addConstraint('products', {
      fields: ['owner_id'],
      type: 'foreign key',
      name: 'products_owner_id_fkey',
      references: { table: 'users', field: 'id' },
    });
  },
  async down() {},
};
