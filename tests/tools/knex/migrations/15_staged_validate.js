exports.up = async (knex) => {
  await knex.raw('ALTER TABLE products VALIDATE CONSTRAINT products_stock_check');
  await knex.raw('ALTER TABLE posts VALIDATE CONSTRAINT body_is_there');
  await knex.raw('ALTER TABLE products VALIDATE CONSTRAINT products_origin_id_fkey');
  await knex.schema.alterTable('posts', (t) => t.dropNullable('body'));
  await knex.raw('ALTER TABLE posts DROP CONSTRAINT body_is_there');
};
exports.down = async () => {};
