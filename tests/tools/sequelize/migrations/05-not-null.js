module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.changeColumn('users', 'email', { type: Sequelize.TEXT, allowNull: false });
    await queryInterface.sequelize.query('ALTER TABLE posts ALTER COLUMN author_id SET NOT NULL');
  },
  async down() {},
};
