module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.addColumn('posts', 'token_id', {
      type: Sequelize.UUID,
      references: { model: 'tokens', key: 'id' },
    });
    await queryInterface.addIndex('posts', ['token_id']);
    const half = '80000000-0000-0000-0000-000000000000';
    await queryInterface.bulkUpdate('tokens', { label: 'new' }, { id: { [Sequelize.Op.lt]: half } });
    await queryInterface.bulkUpdate('tokens', { label: 'new' }, { id: { [Sequelize.Op.gte]: half } });
  },
  async down() {},
};
