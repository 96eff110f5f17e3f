module.exports = {
  async up(queryInterface, Sequelize) {
    const id = { type: Sequelize.BIGINT, primaryKey: true, autoIncrement: true };
    const now = { type: Sequelize.DATE, allowNull: false, defaultValue: Sequelize.fn('now') };
    await queryInterface.createTable('users', {
      id,
      email: Sequelize.TEXT,
      name: { type: Sequelize.TEXT, allowNull: false },
      nickname: Sequelize.TEXT,
      age: Sequelize.INTEGER,
      created_at: now,
    });
    await queryInterface.addIndex('users', ['age'], { name: 'users_age_idx' });
    await queryInterface.createTable('posts', {
      id,
      title: { type: Sequelize.TEXT, allowNull: false },
      body: Sequelize.TEXT,
      legacy: Sequelize.TEXT,
      created_at: now,
    });
    await queryInterface.createTable('products', {
      id,
      sku: { type: Sequelize.TEXT, allowNull: false },
      price: { type: Sequelize.INTEGER, allowNull: false },
      stock: { type: Sequelize.INTEGER, allowNull: false, defaultValue: 0 },
      owner_id: { type: Sequelize.BIGINT, allowNull: false },
      origin_id: Sequelize.BIGINT,
    });
    await queryInterface.createTable('tokens', {
      id: { type: Sequelize.UUID, primaryKey: true },
      label: Sequelize.TEXT,
    });
  },
  async down() {},
};
