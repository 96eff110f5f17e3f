module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.addIndex('posts', ['created_at'], { concurrently: true });
  },
  async down() {},
};
