module.exports = {
  async up(queryInterface) {
    await queryInterface.removeIndex('users', 'users_age_idx');
  },
  async down() {},
};
