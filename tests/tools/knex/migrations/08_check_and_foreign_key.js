exports.up = (knex) =>
  knex.schema.alterTable('products', (t) => {
    t.check('price >= 0', [], 'products_price_check');
    t.foreign('owner_id').references('users.id');
  });
exports.down = async () => {};
