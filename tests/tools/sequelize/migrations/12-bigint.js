module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.sequelize.query("SET interlock.allow = 'column-type-rewrite: a maintenance window was announced'");
    await queryInterface.changeColumn('products', 'stock', { type: Sequelize.BIGINT, allowNull: false, defaultValue: 0 });
  },
  async down() {},
};
