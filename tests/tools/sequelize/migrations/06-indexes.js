module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.addIndex('posts', ['title']);
    await queryInterface.addIndex('posts', {
      name: 'posts_recent_idx',
      fields: [{ name: 'created_at', order: 'DESC' }],
      where: { id: { [Sequelize.Op.gt]: 100 } },
    });
    await queryInterface.addIndex('users', ['email'], { unique: true });
  },
  async down() {},
};
