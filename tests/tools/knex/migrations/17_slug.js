exports.up = async (knex) => {
  await knex.schema.alterTable('posts', (t) => t.text('slug'));
  await knex.schema.alterTable('posts', (t) => t.index(['slug'], 'posts_slug_idx'));
};
exports.down = async (knex) => {
  await knex.schema.alterTable('posts', (t) => t.dropIndex(['slug'], 'posts_slug_idx'));
  await knex.schema.alterTable('posts', (t) => t.dropColumn('slug'));
};
