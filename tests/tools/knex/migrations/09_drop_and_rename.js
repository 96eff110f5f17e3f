exports.up = async (knex) => {
  await knex.schema.alterTable('posts', (t) => t.dropColumn('legacy'));
  await knex.schema.alterTable('users', (t) => t.renameColumn('nickname', 'handle'));
};
exports.down = async () => {};
