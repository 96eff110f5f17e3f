module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.addColumn('products', 'uid', {
      type: Sequelize.UUID,
      allowNull: false,
      defaultValue: Sequelize.fn('gen_random_uuid'),
    });
  },
  async down() {},
};
