exports.up = (knex) =>
  knex.schema.createTable('categories', (t) => {
    t.increments('id');
    t.string('slug').notNullable().unique();
    t.text('name').notNullable().index();
  });
exports.down = async () => {};
