exports.up = (knex) => knex.schema.alterTable('products', (t) => t.unique(['sku']));
exports.down = async () => {};
