module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.sequelize.query('ALTER TABLE products VALIDATE CONSTRAINT products_stock_check');
    await queryInterface.sequelize.query('ALTER TABLE posts VALIDATE CONSTRAINT body_is_there');
    await queryInterface.sequelize.query('ALTER TABLE products VALIDATE CONSTRAINT products_origin_id_fkey');
    await queryInterface.sequelize.query('ALTER TABLE posts ALTER COLUMN body SET NOT NULL');
    await queryInterface.removeConstraint('posts', 'body_is_there');
  },
  async down() {},
};
