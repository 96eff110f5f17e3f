exports.up = async (knex) => {
  await knex.schema.createTable('users', (t) => {
    t.bigIncrements('id');
    t.text('email');
    t.text('name').notNullable();
    t.text('nickname');
    t.integer('age').index('users_age_idx');
    t.timestamp('created_at').notNullable().defaultTo(knex.fn.now());
  });
  await knex.schema.createTable('posts', (t) => {
    t.bigIncrements('id');
    t.text('title').notNullable();
    t.text('body');
    t.text('legacy');
    t.timestamp('created_at').notNullable().defaultTo(knex.fn.now());
  });
  await knex.schema.createTable('products', (t) => {
    t.bigIncrements('id');
    t.text('sku').notNullable();
    t.integer('price').notNullable();
    t.integer('stock').notNullable().defaultTo(0);
    t.bigInteger('owner_id').notNullable();
    t.bigInteger('origin_id');
  });
  await knex.schema.createTable('tokens', (t) => {
    t.uuid('id').primary();
    t.text('label');
  });
};
exports.down = async () => {};
