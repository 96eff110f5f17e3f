exports.up = (knex) =>
  knex.schema.alterTable('posts', (t) => {
    t.bigInteger('author_id').references('users.id').onDelete('CASCADE');
  });
exports.down = async () => {};
