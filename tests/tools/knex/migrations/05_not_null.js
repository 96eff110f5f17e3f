exports.up = async (knex) => {
  await knex.schema.alterTable('users', (t) => t.dropNullable('email'));
  await knex.schema.alterTable('posts', (t) => t.bigInteger('author_id').notNullable().alter({ alterType: false }));
};
exports.down = async () => {};
