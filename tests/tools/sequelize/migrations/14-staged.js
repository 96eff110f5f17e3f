module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.sequelize.query('ALTER TABLE products ADD CONSTRAINT products_stock_check CHECK (stock >= 0) NOT VALID');
    await queryInterface.sequelize.query('ALTER TABLE posts ADD CONSTRAINT body_is_there CHECK (body IS NOT NULL) NOT VALID');
    await queryInterface.sequelize.query('ALTER TABLE products ADD CONSTRAINT products_origin_id_fkey FOREIGN KEY (origin_id) REFERENCES products (id) NOT VALID');
  },
  async down() {},
};
