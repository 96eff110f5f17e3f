module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.sequelize.transaction(async (transaction) => {
      await queryInterface.addColumn('posts', 'slug', Sequelize.TEXT, { transaction });
      await queryInterface.addIndex('posts', ['slug'], { transaction });
    });
  },
  async down(queryInterface) {
    await queryInterface.removeIndex('posts', 'posts_slug');
    await queryInterface.removeColumn('posts', 'slug');
  },
};
