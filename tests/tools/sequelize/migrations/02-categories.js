module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.createTable('categories', {
      id: { type: Sequelize.INTEGER, primaryKey: true, autoIncrement: true },
      slug: { type: Sequelize.STRING, allowNull: false, unique: true },
      name: { type: Sequelize.TEXT, allowNull: false },
    });
    await queryInterface.addIndex('categories', ['name']);
  },
  async down() {},
};
