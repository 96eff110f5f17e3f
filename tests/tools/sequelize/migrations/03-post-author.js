module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.addColumn('posts', 'author_id', {
      type: Sequelize.BIGINT,
      references: { model: 'users', key: 'id' },
      onDelete: 'CASCADE',
    });
  },
  async down() {},
};
