exports.up = async (knex) => {
  await knex.schema.alterTable('posts', (t) => {
    t.index(['title']);
    t.index(['created_at'], 'posts_recent_idx', { predicate: knex.whereNotNull('body') });
  });
  await knex.schema.alterTable('users', (t) => t.unique(['email'], { useConstraint: false }));
};
exports.down = async () => {};
