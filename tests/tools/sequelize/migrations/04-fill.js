module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.bulkUpdate('users', { age: 18 }, { age: null });
    await queryInterface.bulkUpdate('posts', { author_id: Sequelize.col('id') }, { author_id: null });
  },
  async down() {},
};
