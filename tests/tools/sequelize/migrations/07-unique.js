module.exports = {
  async up(queryInterface) {
    await queryInterface.addConstraint('products', { fields: ['sku'], type: 'unique', name: 'products_sku_key' });
  },
  async down() {},
};
