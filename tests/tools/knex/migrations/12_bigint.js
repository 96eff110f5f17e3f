exports.up = async (knex) => {
  await knex.raw("SET LOCAL interlock.allow = 'column-type-rewrite: a maintenance window was announced'");
  await knex.schema.alterTable('products', (t) => t.bigInteger('stock').notNullable().defaultTo(0).alter());
};
exports.down = async () => {};
