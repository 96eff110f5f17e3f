module.exports = {
  async up(queryInterface) {
    await queryInterface.removeColumn('posts', 'legacy');
    await queryInterface.renameColumn('users', 'nickname', 'handle');
  },
  async down() {},
};
